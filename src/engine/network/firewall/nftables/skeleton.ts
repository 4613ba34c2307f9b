/**
 * The part of the table that is there with the first network and never changes: chains, sets, and rules that look things
 * up. A packet costs the same look-ups however many ports are published.
 */
import type { Batch } from "../../../../ffi/nftables/batch.ts";
import {
  accept,
  counter,
  drop,
  type Expression,
  goTo,
  jump,
  leave,
} from "../../../../ffi/nftables/expressions.ts";
import {
  dnatBy,
  dport,
  etherType,
  IP4,
  IP6,
  icmpType,
  iifname,
  is,
  isArp,
  isNot,
  l4proto,
  lookUp,
  markBit,
  nfproto,
  oifname,
  sport,
  toThisHost,
  within,
} from "../../../../ffi/nftables/fields.ts";
import { PRIORITY } from "../../../../ffi/nftables/flags.ts";
import { DATA_TYPES, ifnameValue, protocolValue } from "../../../../ffi/nftables/types.ts";
import {
  CHAINS,
  FAMILIES,
  FOREIGN_BRIDGES,
  ISOLATED_LINKS,
  JUMPS,
  OWN_BRIDGES,
  USER_CHAIN,
} from "./names.ts";

const { protocol, service, ifname } = DATA_TYPES;

/**
 * Set on what is let through where a foreign chain would drop it: see foreign.ts. Of the bits that others are known to
 * use (Kubernetes, Calico, Cilium, Tailscale) it is none.
 */
export const ACCEPTED_MARK = 0x0200_0000;

const LOOPBACK = { address: new Uint8Array([127, 0, 0, 0]), bits: 8 };
const LINK_LOCAL = { address: new Uint8Array([0xfe, 0x80, ...new Uint8Array(14)]), bits: 10 };
const LOCALHOST6 = new Uint8Array([...new Uint8Array(15), 1]);

export interface Skeleton {
  /** This host's own 127.0.0.1 is ts-proxy's business, as dockerd does it. */
  proxyLoopback: boolean;
  /** A foreign chain drops what we let through, and asks for the mark. */
  mark: boolean;
}

export function addSets(batch: Batch): void {
  for (const { ip, ...sets } of FAMILIES) {
    const value = [ip.type, service];
    batch.addSet({ name: sets.published, key: [ip.type, protocol, service], value });
    batch.addSet({ name: sets.publishedAny, key: [protocol, service], value });
    batch.addSet({ name: sets.open, key: [ip.type, protocol, service] });
    batch.addSet({ name: sets.linked, key: [ip.type, ip.type, protocol, service] });
    batch.addSet({ name: sets.endpoints, key: [ip.type] });
    batch.addSet({ name: sets.direct, key: [ip.type, ifname] });
    batch.addSet({ name: sets.closed, key: [ifname] });
  }
  for (const name of Object.values(JUMPS)) batch.addSet({ name, key: [ifname], value: "verdict" });
  batch.addSet({ name: OWN_BRIDGES, key: [ifname] });
  batch.addSet({ name: FOREIGN_BRIDGES, key: [ifname] });
}

export const SET_NAMES: readonly string[] = [
  ...FAMILIES.flatMap(({ ip: _, ...sets }) => Object.values(sets)),
  ...Object.values(JUMPS),
  OWN_BRIDGES,
  FOREIGN_BRIDGES,
];

export function addChains(batch: Batch): void {
  const { raw, dstnat, filter, srcnat } = PRIORITY;
  batch.addChain(USER_CHAIN, undefined, "for the administrator of this machine; kept as it is");
  batch.addChain(CHAINS.accepted);
  batch.addChain(CHAINS.publish);
  batch.addChain(CHAINS.raw, { type: "filter", hook: "prerouting", priority: raw });
  // Before the chains of iptables, which may look at the mark.
  batch.addChain(CHAINS.forward, { type: "filter", hook: "forward", priority: filter - 1 });
  batch.addChain(CHAINS.prerouting, { type: "nat", hook: "prerouting", priority: dstnat });
  batch.addChain(CHAINS.output, { type: "nat", hook: "output", priority: dstnat });
  batch.addChain(CHAINS.postrouting, { type: "nat", hook: "postrouting", priority: srcnat });
}

export function addRules(batch: Batch, { proxyLoopback, mark }: Skeleton): void {
  const vmap = (map: string, field: typeof iifname): Expression[] =>
    lookUp(map, [field], { into: "verdict" });

  batch.addRule(
    CHAINS.raw,
    [
      ...isNot(iifname, ifnameValue("lo")),
      ...nfproto(IP4),
      ...within(IP4.daddr, LOOPBACK),
      counter(),
      drop(),
    ],
    "loopback from outside",
  );
  for (const { ip, endpoints, direct } of FAMILIES) {
    batch.addRule(
      CHAINS.raw,
      [
        ...nfproto(ip),
        ...lookUp(endpoints, [ip.daddr]),
        ...lookUp(direct, [ip.daddr, iifname], { not: true }),
        counter(),
        drop(),
      ],
      "containers are reached by published ports alone",
    );
  }

  batch.addRule(CHAINS.forward, [jump(USER_CHAIN)]);
  batch.addRule(CHAINS.forward, vmap(JUMPS.from, iifname));
  batch.addRule(CHAINS.forward, vmap(JUMPS.to, oifname));
  for (const { ip, closed } of FAMILIES) {
    batch.addRule(
      CHAINS.forward,
      [...nfproto(ip), ...lookUp(closed, [iifname]), ...lookUp(closed, [oifname]), counter(), drop()],
      "this host forwards for containers alone",
    );
  }
  addAccepted(batch, mark);

  const nat = [...toThisHost(), jump(CHAINS.publish)];
  batch.addRule(CHAINS.prerouting, nat);
  batch.addRule(
    CHAINS.output,
    [...nfproto(IP6), ...is(IP6.daddr, LOCALHOST6), leave()],
    "nothing leaves loopback there",
  );
  if (proxyLoopback) {
    batch.addRule(CHAINS.output, [...nfproto(IP4), ...within(IP4.daddr, LOOPBACK), leave()]);
  }
  batch.addRule(CHAINS.output, nat);
  batch.addRule(
    CHAINS.publish,
    [...nfproto(IP6), ...within(IP6.saddr, LINK_LOCAL), leave()],
    "containers have no way back to link-local addresses",
  );
  for (const { ip, published, publishedAny } of FAMILIES) {
    batch.addRule(CHAINS.publish, [...nfproto(ip), ...dnatBy(ip, published, [ip.daddr, l4proto, dport])]);
    batch.addRule(CHAINS.publish, [...nfproto(ip), ...dnatBy(ip, publishedAny, [l4proto, dport])]);
  }

  batch.addRule(CHAINS.postrouting, vmap(JUMPS.natTo, oifname));
  batch.addRule(CHAINS.postrouting, vmap(JUMPS.natFrom, iifname));
}

/** Its rules alone; the chain is empty before. */
export function addAccepted(batch: Batch, mark: boolean): void {
  batch.addRule(CHAINS.accepted, mark ? [...markBit(ACCEPTED_MARK), accept()] : [accept()]);
}

/** The table that keeps containers of one bridge apart: their packets are switched, not routed, and seen there alone. */
export function addBridgeTable(batch: Batch): void {
  const { forward } = CHAINS;
  for (const { ip, linked } of FAMILIES) {
    batch.addSet({ name: linked, key: [ip.type, ip.type, protocol, service] });
  }
  batch.addSet({ name: ISOLATED_LINKS, key: [ifname] });
  batch.addChain(forward, { type: "filter", hook: "forward", priority: PRIORITY.filter });
  batch.flushChain(forward);
  const apart = [...lookUp(ISOLATED_LINKS, [iifname]), ...lookUp(ISOLATED_LINKS, [oifname])];
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

/** ICMPv6's types 135 and 136: what ARP is for IPv4. In any table, of IPv6 packets. */
export const neighbourDiscovery = (): Expression[][] =>
  [135, 136].map((type) => [
    ...is(l4proto, protocolValue("icmpv6")),
    ...is(icmpType, new Uint8Array([type])),
  ]);

/** What a network's chains end with. */
export const letThrough = (): Expression => goTo(CHAINS.accepted);
