/** The firewall that was chosen. What the other backend left from before goes. */
import type { Firewall } from "../types.ts";
import type { FirewallOptions } from "./options.ts";
import { WithFirewalld } from "./with-firewalld.ts";

export type FirewallBackend = Firewall["backend"];

/**
 * Whether ts-proxy has to listen on all published ports. By iptables as Docker does it, always: chains that dockerd has
 * rules in too cannot tell its loopback ports from ours.
 */
export const needsProxy = (backend: FirewallBackend, userlandProxy: boolean): boolean =>
  userlandProxy || backend !== "nftables";

export async function openFirewall(backend: FirewallBackend, options: FirewallOptions): Promise<Firewall> {
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
      return new NoFirewall();
    }
  }
}
