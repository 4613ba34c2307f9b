/** The table that keeps containers of one bridge apart: their packets are switched, not routed, and seen there alone. */
import type { Batch } from "../../../../ffi/nftables/batch.ts";
import { accept, counter, drop } from "../../../../ffi/nftables/expressions.ts";
import {
  dport,
  etherType,
  IP4,
  IP6,
  iifname,
  isArp,
  l4proto,
  lookUp,
  oifname,
  sport,
} from "../../../../ffi/nftables/fields.ts";
import { PRIORITY } from "../../../../ffi/nftables/flags.ts";
import { DATA_TYPES } from "../../../../ffi/nftables/types.ts";
import { neighbourDiscovery } from "./filter.ts";
import { CHAINS, FAMILIES, ISOLATED_LINKS } from "./names.ts";
import type { Skeleton } from "./skeleton.ts";

export function addBridgeTable(batch: Batch, { families }: Pick<Skeleton, "families">): void {
  const { protocol, service, ifname } = DATA_TYPES;
  const { forward } = CHAINS;
  for (const { ip, linked } of FAMILIES) {
    batch.addSet({ name: linked, key: [ip.type, ip.type, protocol, service] });
  }
  batch.addSet({ name: ISOLATED_LINKS, key: [ifname] });
  batch.addChain(forward, { type: "filter", hook: "forward", priority: PRIORITY.filter });
  batch.flushChain(forward);
  const apart = [...lookUp(ISOLATED_LINKS, [iifname]), ...lookUp(ISOLATED_LINKS, [oifname])];
  if (!families.four) batch.addRule(forward, [...etherType(IP4), accept()], "--iptables=false");
  if (!families.six) batch.addRule(forward, [...etherType(IP6), accept()], "--ip6tables=false");
  batch.addRule(forward, [...isArp(), accept()]);
  for (const neighbours of neighbourDiscovery()) {
    batch.addRule(forward, [...etherType(IP6), ...neighbours, accept()]);
  }
  for (const { ip, linked } of FAMILIES) {
    // Without connection tracking: what is asked, and what answers.
    batch.addRule(forward, [
      ...etherType(ip),
      ...lookUp(linked, [ip.saddr, ip.daddr, l4proto, dport]),
      accept(),
    ]);
    batch.addRule(forward, [
      ...etherType(ip),
      ...lookUp(linked, [ip.daddr, ip.saddr, l4proto, sport]),
      accept(),
    ]);
  }
  batch.addRule(forward, [...apart, counter(), drop()], "containers that are kept apart");
}

export const BRIDGE_SET_NAMES: readonly string[] = [...FAMILIES.map(({ linked }) => linked), ISOLATED_LINKS];
