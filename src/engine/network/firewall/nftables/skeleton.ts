/**
 * The part of the table that is there with the first network and never changes: sets, chains, and rules that look things
 * up. A packet costs the same look-ups, and the kernel the same work at each change, however many networks there are and
 * ports are published: a chain for each network would be walked by it at every change, and so would a map of verdicts.
 */
import type { Batch } from "../../../../ffi/nftables/batch.ts";
import { PRIORITY } from "../../../../ffi/nftables/flags.ts";
import { DATA_TYPES } from "../../../../ffi/nftables/types.ts";
import type { Families } from "../state.ts";
import { addFilterRules } from "./filter.ts";
import {
  APART_BRIDGES,
  BRIDGES,
  CHAINS,
  FAMILIES,
  FOREIGN_BRIDGES,
  INTERNAL_BRIDGES,
  SAME_BRIDGE,
  TRUSTED_LINKS,
  USER_CHAIN,
} from "./names.ts";
import { addNatRules } from "./nat.ts";

const { protocol, service, ifname } = DATA_TYPES;

export interface Skeleton {
  /** This host's own 127.0.0.1 is ts-proxy's business, as dockerd does it. */
  proxyLoopback: boolean;
  /** A foreign chain drops what we let through, and asks for the mark. */
  mark: boolean;
  families: Families;
  /** There are internal networks. */
  internal: boolean;
}

export function addSets(batch: Batch): void {
  for (const { ip, ...sets } of FAMILIES) {
    const value = [ip.type, service];
    batch.addSet({ name: sets.published, key: [ip.type, protocol, service], value });
    batch.addSet({ name: sets.publishedAny, key: [protocol, service], value });
    batch.addSet({ name: sets.open, key: [ip.type, protocol, service] });
    batch.addSet({ name: sets.linked, key: [ip.type, ip.type, protocol, service] });
    for (const name of [sets.routed, sets.unprotected, sets.masqueraded, sets.closed]) {
      batch.addSet({ name, key: [ifname] });
    }
    batch.addSet({ name: sets.subnets, key: [ip.type], intervals: true });
    batch.addSet({ name: sets.sources, key: [ifname], value: [ip.type] });
  }
  for (const name of [BRIDGES, INTERNAL_BRIDGES, APART_BRIDGES, FOREIGN_BRIDGES]) {
    batch.addSet({ name, key: [ifname] });
  }
  for (const name of [SAME_BRIDGE, TRUSTED_LINKS]) batch.addSet({ name, key: [ifname, ifname] });
}

export const SET_NAMES: readonly string[] = [
  ...FAMILIES.flatMap(({ ip: _, ...sets }) => Object.values(sets)),
  BRIDGES,
  INTERNAL_BRIDGES,
  APART_BRIDGES,
  FOREIGN_BRIDGES,
  SAME_BRIDGE,
  TRUSTED_LINKS,
];

export function addChains(batch: Batch): void {
  const { raw, dstnat, filter, srcnat } = PRIORITY;
  batch.addChain(USER_CHAIN, undefined, "for the administrator of this machine; kept as it is");
  const { accepted, established, internal, neighbours, open, incoming } = CHAINS;
  for (const name of [accepted, established, internal, neighbours, open, incoming]) batch.addChain(name);
  for (const name of [CHAINS.publish, CHAINS.natIncoming, CHAINS.natOutgoing]) batch.addChain(name);
  batch.addChain(CHAINS.raw, { type: "filter", hook: "prerouting", priority: raw });
  // Before the chains of iptables, which may look at the mark.
  batch.addChain(CHAINS.forward, { type: "filter", hook: "forward", priority: filter - 1 });
  batch.addChain(CHAINS.prerouting, { type: "nat", hook: "prerouting", priority: dstnat });
  batch.addChain(CHAINS.output, { type: "nat", hook: "output", priority: dstnat });
  batch.addChain(CHAINS.postrouting, { type: "nat", hook: "postrouting", priority: srcnat });
}

export function addRules(batch: Batch, skeleton: Skeleton): void {
  addFilterRules(batch, skeleton);
  addNatRules(batch, skeleton);
}
