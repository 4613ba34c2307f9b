/** What a daemon made in the host's network outlives it, as Docker's does: a test that ends takes it away. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Sysctls } from "../../src/engine/network/firewall/sysctl.ts";

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

const run = (...command: string[]): string =>
  Bun.spawnSync(command, {
    env: { ...process.env, PATH },
    stdio: ["ignore", "pipe", "ignore"],
  }).stdout.toString();

/** Of this process's namespace: /sys shows those of whoever mounted it. */
const links = (): { ifname: string; ifalias?: string }[] => JSON.parse(run("ip", "-j", "link") || "[]");

/** The links, the firewall's table and the kernel's settings of the daemon whose roots these are, or were. */
export function removeNetworks(dataRoot: string, execRoot: string): void {
  const file = join(dataRoot, "engine-id");
  if (!existsSync(file)) return;
  const id = readFileSync(file, "utf8").trim();
  for (const { ifname, ifalias } of links()) if (ifalias === `tsd ${id}`) run("ip", "link", "delete", ifname);
  run("nft", "delete", "table", "inet", `tsd-${id.slice(0, 8)}`);
  new Sysctls(join(execRoot, "n/sysctls.json")).restoreAll();
}
