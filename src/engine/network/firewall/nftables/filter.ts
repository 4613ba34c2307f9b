/** Which forwarded packets go through: the rules of the table's filter chains. */
import type { Batch } from "../../../../ffi/nftables/batch.ts";
import { accept, counter, drop, type Expression, goTo, jump } from "../../../../ffi/nftables/expressions.ts";
import {
  destinationChanged,
  dport,
  established,
  IP4,
  IP6,
  icmpType,
  iifname,
  is,
  isNot,
  l4proto,
  lookUp,
  markBit,
  nfproto,
  oifname,
  within,
} from "../../../../ffi/nftables/fields.ts";
import { ifnameValue, protocolValue } from "../../../../ffi/nftables/types.ts";
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
import type { Skeleton } from "./skeleton.ts";

/**
 * Set on what is let through where a foreign chain would drop it: see foreign.ts. Of the bits that others are known to
 * use (Kubernetes, Calico, Cilium, Tailscale) it is none.
 */
export const ACCEPTED_MARK = 0x0200_0000;

export const LOOPBACK = { address: new Uint8Array([127, 0, 0, 0]), bits: 8 };

const letThrough = (): Expression => goTo(CHAINS.accepted);
const isIn = (set: string, field: typeof iifname): Expression[] => lookUp(set, [field]);
const isNotIn = (set: string, field: typeof iifname): Expression[] => lookUp(set, [field], { not: true });
const onOneBridge = (): Expression[] => lookUp(SAME_BRIDGE, [iifname, oifname]);

/** What is not ours to decide about leaves a base chain as it came. */
export function passOthers(batch: Batch, chain: string, families: Skeleton["families"]): void {
  if (!families.four) batch.addRule(chain, [...nfproto(IP4), accept()], "--iptables=false");
  if (!families.six) batch.addRule(chain, [...nfproto(IP6), accept()], "--ip6tables=false");
}

export function addFilterRules(batch: Batch, skeleton: Skeleton): void {
  passOthers(batch, CHAINS.raw, skeleton.families);
  batch.addRule(
    CHAINS.raw,
    [
      ...nfproto(IP4),
      ...within(IP4.daddr, LOOPBACK),
      ...isNot(iifname, ifnameValue("lo")),
      counter(),
      drop(),
    ],
    "loopback from outside",
  );
  addForward(batch, skeleton);
  addIncoming(batch);
  addNeighbours(batch);
  batch.addRule(CHAINS.accepted, skeleton.mark ? [...markBit(ACCEPTED_MARK), accept()] : [accept()]);
}

/** Most packets are of connections that exist: these meet three rules, and no look-up. */
function addForward(batch: Batch, { families, mark, internal }: Skeleton): void {
  const { forward, established: known } = CHAINS;
  const add = (expressions: readonly Expression[], comment?: string) =>
    batch.addRule(forward, expressions, comment);
  add([jump(USER_CHAIN)]);
  passOthers(batch, forward, families);
  // Before all else: who is inside could pretend to be somebody who has a connection.
  if (internal) add([...isIn(INTERNAL_BRIDGES, iifname), goTo(CHAINS.internal)]);
  // With the mark, what is nobody's container's is left for others to decide about.
  add([...established(), mark ? jump(known) : accept()]);
  for (const field of [iifname, oifname]) batch.addRule(known, [...isIn(BRIDGES, field), letThrough()]);
  add([...isIn(BRIDGES, oifname), goTo(CHAINS.incoming)]);
  add([...isIn(BRIDGES, iifname), ...isNotIn(FOREIGN_BRIDGES, oifname), letThrough()], "outgoing");
  if (internal) add([...isIn(INTERNAL_BRIDGES, oifname), goTo(CHAINS.internal)]);
  for (const { ip, closed } of FAMILIES) {
    add(
      [...nfproto(ip), ...isIn(closed, iifname), ...isIn(closed, oifname), counter(), drop()],
      "this host forwards for containers alone",
    );
  }
  batch.addRule(CHAINS.internal, [...onOneBridge(), goTo(CHAINS.neighbours)]);
  batch.addRule(CHAINS.internal, [counter(), drop()], "internal networks");
}

function addIncoming(batch: Batch): void {
  const add = (expressions: readonly Expression[], comment?: string) =>
    batch.addRule(CHAINS.incoming, expressions, comment);
  // Who asks a container itself, not the host, has no changed destination.
  add([...destinationChanged(), jump(CHAINS.open)], "published");
  add([...onOneBridge(), goTo(CHAINS.neighbours)]);
  add([...lookUp(TRUSTED_LINKS, [iifname, oifname]), jump(CHAINS.open)], "trusted");
  for (const { ip, routed, unprotected } of FAMILIES) {
    const icmp = protocolValue(ip.family === 2 ? "icmp" : "icmpv6");
    add([...nfproto(ip), ...isIn(routed, oifname), ...is(l4proto, icmp), letThrough()], "routed");
    add([...nfproto(ip), ...isIn(routed, oifname), jump(CHAINS.open)], "routed");
    add([...nfproto(ip), ...isIn(unprotected, oifname), letThrough()], "unprotected");
  }
  add([counter(), drop()], "not published");
  for (const { ip, open } of FAMILIES) {
    const toOpenPort = [...nfproto(ip), ...lookUp(open, [ip.daddr, l4proto, dport])];
    batch.addRule(CHAINS.open, [...toOpenPort, letThrough()]);
  }
}

/** Bridged packets are seen here only with br_netfilter. */
function addNeighbours(batch: Batch): void {
  const add = (expressions: readonly Expression[], comment?: string) =>
    batch.addRule(CHAINS.neighbours, expressions, comment);
  add([...isNotIn(APART_BRIDGES, iifname), letThrough()]);
  // Of an internal network these are not let through before.
  add([...established(), letThrough()]);
  for (const { ip, linked } of FAMILIES) {
    add([...nfproto(ip), ...lookUp(linked, [ip.saddr, ip.daddr, l4proto, dport]), letThrough()], "linked");
  }
  for (const neighbours of neighbourDiscovery()) add([...neighbours, letThrough()]);
  add([counter(), drop()], "containers that are kept apart");
}

/** ICMPv6's types 135 and 136: what ARP is for IPv4. In any table, of IPv6 packets. */
export const neighbourDiscovery = (): Expression[][] =>
  [135, 136].map((type) => [
    ...is(l4proto, protocolValue("icmpv6")),
    ...is(icmpType, new Uint8Array([type])),
  ]);
