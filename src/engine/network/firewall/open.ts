/** The firewall that was chosen. What another left, chosen before, goes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Firewall } from "../types.ts";
import type { FirewallOptions } from "./options.ts";
import type { Families } from "./state.ts";
import { UnavailableFirewall } from "./unavailable.ts";
import { WithFirewalld } from "./with-firewalld.ts";

export type FirewallBackend = Firewall["backend"];

/**
 * Whose published ports ts-proxy has to listen on, all of them: of the family that has no rules, and by iptables as Docker
 * does it, of both, since chains that dockerd has rules in too cannot tell its loopback ports from ours.
 */
export function proxiedFamilies(
  backend: FirewallBackend,
  { four, six }: Families,
  userlandProxy: boolean,
): Families {
  const both = userlandProxy || backend !== "nftables";
  return { four: both || !four, six: both || !six };
}

export async function openFirewall(backend: FirewallBackend, options: FirewallOptions): Promise<Firewall> {
  await removeOther(backend, options);
  try {
    return await open(backend, options);
  } catch (error) {
    const reason = `${backend} is not to be had: ${(error as Error).message}`;
    options.warn(reason);
    return new UnavailableFirewall(backend, reason);
  }
}

async function open(backend: FirewallBackend, options: FirewallOptions): Promise<Firewall> {
  switch (backend) {
    case "nftables": {
      const { openNftables } = await import("./nftables/firewall.ts");
      return new WithFirewalld(await openNftables(options), options.warn);
    }
    case "iptables": {
      const { openIptables } = await import("./iptables/firewall.ts");
      return new WithFirewalld(await openIptables(options), options.warn);
    }
    case "none": {
      const { NoFirewall } = await import("./none.ts");
      return new NoFirewall(options);
    }
  }
}

/** Which one was here last is remembered on tmpfs, where its rules do not outlive a boot either. */
async function removeOther(backend: FirewallBackend, options: FirewallOptions): Promise<void> {
  const file = `${options.execRoot}/firewall`;
  let before: string | undefined;
  try {
    before = readFileSync(file, "utf8");
  } catch {
    // The first since the boot.
  }
  if (before === backend) return;
  if (before === "nftables" || before === "iptables") {
    try {
      await (await open(before, options)).close(false);
    } catch (error) {
      options.warn(`remove the rules of ${before}: ${(error as Error).message}`);
    }
  }
  mkdirSync(options.execRoot, { recursive: true, mode: 0o700 });
  writeFileSync(file, backend, { mode: 0o600 });
}
