/**
 * Tracked connections that end because what they were translated to has changed. The kernel looks for them itself and is
 * told what to look at.
 * @source kernel net/netfilter/nf_conntrack_netlink.c (ctnetlink_flush_conntrack), linux/netfilter/nfnetlink_conntrack.h
 */
import { addressBytes, INET, type TransportProtocol } from "../inet.ts";
import { NFNL } from "../nftables/flags.ts";
import { SOCK } from "../socket-flags.ts";
import { type Attribute, attribute, be16, nested, u8, u32 } from "./attributes.ts";
import type { Message } from "./message.ts";

const IPCTNL_MSG_CT_DELETE = 2;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, FILTER: 25 } as const;
const CTA_TUPLE = { IP: 1, PROTO: 2 } as const;
const CTA_PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const CTA_FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
/** What of a tuple is looked at. */
const LOOK_AT = { source: 1, destination: 2, protocol: 8, sourcePort: 16, destinationPort: 32 } as const;

const NUMBERS = { tcp: INET.IPPROTO_TCP, udp: INET.IPPROTO_UDP, sctp: INET.IPPROTO_SCTP } as const;

/** One direction of a connection, as far as it matters. Ports need their protocol. */
export interface Tuple {
  source?: string;
  destination?: string;
  protocol?: TransportProtocol;
  sourcePort?: number;
  destinationPort?: number;
}

/** Connections as they were begun, and as their answers look: where a destination was changed, the answers' source. */
export interface Connections {
  family: 4 | 6;
  original?: Tuple;
  reply?: Tuple;
}

function tupleOf(tuple: Tuple, family: 4 | 6): Attribute[] {
  const { source, destination, protocol, sourcePort, destinationPort } = tuple;
  const at = family === 4 ? 1 : 3;
  const ip: Attribute[] = [];
  if (source !== undefined) ip.push(attribute(at, addressBytes(source)));
  if (destination !== undefined) ip.push(attribute(at + 1, addressBytes(destination)));
  const proto: Attribute[] = [];
  if (protocol !== undefined) proto.push(u8(CTA_PROTO.NUM, NUMBERS[protocol]));
  if (sourcePort !== undefined) proto.push(be16(CTA_PROTO.SRC_PORT, sourcePort));
  if (destinationPort !== undefined) proto.push(be16(CTA_PROTO.DST_PORT, destinationPort));
  return [
    ...(ip.length > 0 ? [nested(CTA_TUPLE.IP, ...ip)] : []),
    ...(proto.length > 0 ? [nested(CTA_TUPLE.PROTO, ...proto)] : []),
  ];
}

const flagsOf = (tuple: Tuple): number =>
  (Object.keys(LOOK_AT) as (keyof typeof LOOK_AT)[]).reduce(
    (flags, name) => flags | (tuple[name] === undefined ? 0 : LOOK_AT[name]),
    0,
  );

/** Forgets the connections that match in all that is said. For a socket of NETLINK_NETFILTER. */
export function forgetConnections({ family, original = {}, reply = {} }: Connections): Message {
  const flags = [u32(CTA_FILTER.ORIG_FLAGS, flagsOf(original)), u32(CTA_FILTER.REPLY_FLAGS, flagsOf(reply))];
  // Without anything to look at, the kernel would forget them all.
  if (flagsOf(original) === 0 && flagsOf(reply) === 0) throw new RangeError("which connections?");
  const tuples = [
    ...(flagsOf(original) ? [nested(CTA.TUPLE_ORIG, ...tupleOf(original, family))] : []),
    ...(flagsOf(reply) ? [nested(CTA.TUPLE_REPLY, ...tupleOf(reply, family))] : []),
  ];
  return {
    type: NFNL.NFNL_SUBSYS_CTNETLINK | IPCTNL_MSG_CT_DELETE,
    flags: 0,
    body: [
      new Uint8Array([family === 4 ? SOCK.AF_INET : INET.AF_INET6, 0, 0, 0]),
      ...tuples,
      nested(CTA.FILTER, ...flags),
    ],
    what: "forget tracked connections",
  };
}
