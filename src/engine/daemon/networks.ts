/** Puts the network service together with what changes the kernel for it. */
import type { Database } from "bun:sqlite";
import { filesOf } from "../container/context.ts";
import type { EventBus } from "../event/bus.ts";
import type { NetworkConfig } from "../network/config.ts";
import type { Members } from "../network/context.ts";
import { type FirewallBackend, openFirewall, proxiedFamilies } from "../network/firewall/open.ts";
import { Ipam } from "../network/ipam/ipam.ts";
import { openPorts } from "../network/ports/open.ts";
import { Networks } from "../network/service.ts";
import { NetworkStore } from "../network/store.ts";
import { NetlinkWiring } from "../network/wiring/wiring.ts";
import type { ShimClient } from "../shim/types.ts";
import { poolsOf } from "./network-options.ts";
import type { DaemonConfig } from "./options.ts";

export interface NetworkParts {
  config: DaemonConfig;
  settings: NetworkConfig;
  db: Database;
  /** Where containers have their folders. */
  folder: string;
  engineId: string;
  shim: ShimClient;
  events: EventBus;
  /** Known once the container service is there, which needs this one. */
  containers: () => Members;
  warn: (message: string) => void;
}

export async function openNetworks(parts: NetworkParts): Promise<Networks> {
  const { config, settings, db, folder, engineId, shim, events, containers, warn } = parts;
  const execRoot = config["exec-root"];
  const wiring = new NetlinkWiring({ execRoot, owner: `tsd ${engineId}`, warn });
  const families = { four: config.iptables, six: config.ip6tables };
  const filters = families.four || families.six;
  const backend = (filters ? config["firewall-backend"] || "nftables" : "none") as FirewallBackend;
  const proxied = proxiedFamilies(backend, families, config["userland-proxy"]);
  return new Networks({
    store: new NetworkStore(db),
    ipam: new Ipam(poolsOf(config["default-address-pools"], engineId), () => wiring.hostPrefixes()),
    wiring,
    firewall: await openFirewall(backend, {
      engineId,
      execRoot: `${execRoot}/n`,
      ipForward: config["ip-forward"],
      families,
      proxyLoopback: proxied.four,
      warn,
    }),
    ports: openPorts(shim, { proxyAll: proxied }),
    names: shim,
    events,
    config: settings,
    execRoot,
    made: new Map(),
    removing: new Set(),
    leaving: new Map(),
    linkers: new Set(),
    prepared: new Map(),
    containers,
    files: (id) => filesOf({ folder }, id),
    warn,
  });
}
