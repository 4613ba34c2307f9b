/** The firewall that was chosen. What the other backend left from before goes. */
import type { Firewall } from "../types.ts";
import type { FirewallOptions } from "./options.ts";
import { WithFirewalld } from "./with-firewalld.ts";

export type FirewallBackend = Firewall["backend"];

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
