/**
 * The host's forwarding: switched on for the first bridge, and put back when a daemon ends with nothing running. What it
 * was is kept on tmpfs, because a reboot forgets both.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { NetworkContext } from "./context.ts";
import type { Family } from "./ipam/address.ts";

const FILES: Record<Family, readonly string[]> = {
  4: ["/proc/sys/net/ipv4/ip_forward"],
  6: ["/proc/sys/net/ipv6/conf/default/forwarding", "/proc/sys/net/ipv6/conf/all/forwarding"],
};

type Kept = Record<string, string>;
type Where = Pick<NetworkContext, "execRoot" | "warn">;

const folderOf = ({ execRoot }: Where): string => `${execRoot}/n`;
const fileOf = (where: Where): string => `${folderOf(where)}/forwarding.json`;

export function enableForwarding(where: Where, family: Family): void {
  for (const file of FILES[family]) {
    try {
      const before = readFileSync(file, "utf8").trim();
      if (before === "1") continue;
      keep(where, { ...kept(where), [file]: before });
      writeFileSync(file, "1");
    } catch (error) {
      where.warn(`enabling IPv${family} forwarding: ${(error as Error).message}`);
    }
  }
}

/** Only what is still as it was set. */
export function restoreForwarding(where: Where): void {
  for (const [file, before] of Object.entries(kept(where)).reverse()) {
    try {
      if (readFileSync(file, "utf8").trim() === "1") writeFileSync(file, before);
    } catch (error) {
      where.warn(`restoring ${file}: ${(error as Error).message}`);
    }
  }
  rmSync(fileOf(where), { force: true });
}

function kept(where: Where): Kept {
  try {
    return JSON.parse(readFileSync(fileOf(where), "utf8")) as Kept;
  } catch {
    return {};
  }
}

function keep(where: Where, values: Kept): void {
  mkdirSync(folderOf(where), { recursive: true, mode: 0o700 });
  writeFileSync(fileOf(where), JSON.stringify(values), { mode: 0o600 });
}
