/**
 * Tracked connections that end because what they were translated to has changed. The kernel looks for them itself and is
 * told what to look at.
 * @source kernel net/netfilter/nf_conntrack_netlink.c (ctnetlink_flush_conntrack), linux/netfilter/nfnetlink_conntrack.h
 */
import { addressBytes, INET, type TransportProtocol } from "../inet.ts";
import { NFNL } from "../nftables/flags.ts";
import { SOCK } from "../socket-flags.ts";
import {
  type Attribute,
  asBe16,
  asU8,
  attribute,
  attributeMap,
  be16,
  nested,
  u8,
  u32,
} from "./attributes.ts";
import { NLA, NLM_F } from "./flags.ts";
import type { Message, Reply } from "./message.ts";

const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12, ZONE: 18, FILTER: 25 } as const;
/** struct nfgenmsg. */
const FAMILY_HEADER = 4;
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

/** Forgets the connections that match in all that is said. For a socket of NETLINK_NETFILTER. EINVAL before Linux 6.8. */
export const forgetConnections = (connections: Connections): Message =>
  filtered(IPCTNL_MSG_CT_DELETE, "forget tracked connections", connections);

/** Of those that match, one answer each, as `forgetListed` takes them. To be dumped; Linux 5.8. */
export const listConnections = (connections: Connections): Message =>
  filtered(IPCTNL_MSG_CT_GET, "list tracked connections", connections);

/** All of a family, for those who look for many at once. To be dumped. */
export const listAllConnections = (family: 4 | 6): Message => ({
  type: NFNL.NFNL_SUBSYS_CTNETLINK | IPCTNL_MSG_CT_GET,
  flags: 0,
  body: [familyHeader(family)],
  what: "list tracked connections",
});

/** One connection that was listed, to be compared with what is looked for. */
export class ListedConnection {
  readonly #original: Listed;
  readonly #reply: Listed;

  constructor({ body }: Reply) {
    const attributes = attributeMap(body.subarray(FAMILY_HEADER));
    this.#original = readTuple(attributes.get(CTA.TUPLE_ORIG));
    this.#reply = readTuple(attributes.get(CTA.TUPLE_REPLY));
  }

  /** The port that was asked for. */
  get destinationPort(): number {
    return this.#original.destinationPort;
  }

  /** Of the family that was listed. */
  matches({ original = {}, reply = {} }: Connections): boolean {
    return tupleMatches(this.#original, original) && tupleMatches(this.#reply, reply);
  }
}

/** Addresses as hexadecimal digits. */
interface Listed extends Record<"sourcePort" | "destinationPort" | "protocol", number> {
  source: string;
  destination: string;
}

const NOTHING = new Uint8Array(0);
const hex = (bytes: Uint8Array = NOTHING): string => Buffer.from(bytes).toString("hex");

function readTuple(bytes = NOTHING as Uint8Array): Listed {
  const parts = attributeMap(bytes);
  const ip = attributeMap(parts.get(CTA_TUPLE.IP) ?? NOTHING);
  const proto = attributeMap(parts.get(CTA_TUPLE.PROTO) ?? NOTHING);
  return {
    source: hex(ip.get(1) ?? ip.get(3)),
    destination: hex(ip.get(2) ?? ip.get(4)),
    protocol: asU8(proto.get(CTA_PROTO.NUM)),
    sourcePort: asBe16(proto.get(CTA_PROTO.SRC_PORT)),
    destinationPort: asBe16(proto.get(CTA_PROTO.DST_PORT)),
  };
}

function tupleMatches(
  has: Listed,
  { source, destination, protocol, sourcePort, destinationPort }: Tuple,
): boolean {
  return (
    (sourcePort === undefined || sourcePort === has.sourcePort) &&
    (destinationPort === undefined || destinationPort === has.destinationPort) &&
    (protocol === undefined || NUMBERS[protocol] === has.protocol) &&
    (source === undefined || hex(addressBytes(source)) === has.source) &&
    (destination === undefined || hex(addressBytes(destination)) === has.destination)
  );
}

const familyHeader = (family: 4 | 6): Uint8Array =>
  new Uint8Array([family === 4 ? SOCK.AF_INET : INET.AF_INET6, 0, 0, 0]);

/** One connection that was listed. ENOENT when it has ended meanwhile. */
export function forgetListed({ body }: Reply): Message {
  const attributes = attributeMap(body.subarray(FAMILY_HEADER));
  const again = [CTA.TUPLE_ORIG, CTA.ID, CTA.ZONE].flatMap((type) => {
    const value = attributes.get(type);
    return value ? [attribute(type === CTA.TUPLE_ORIG ? type | NLA.NLA_F_NESTED : type, value)] : [];
  });
  return {
    type: NFNL.NFNL_SUBSYS_CTNETLINK | IPCTNL_MSG_CT_DELETE,
    flags: NLM_F.NLM_F_ACK,
    body: [new Uint8Array([body[0]!, 0, 0, 0]), ...again],
    what: "forget a tracked connection",
  };
}

function filtered(type: number, what: string, { family, original = {}, reply = {} }: Connections): Message {
  const flags = [u32(CTA_FILTER.ORIG_FLAGS, flagsOf(original)), u32(CTA_FILTER.REPLY_FLAGS, flagsOf(reply))];
  // Without anything to look at, the kernel would forget them all.
  if (flagsOf(original) === 0 && flagsOf(reply) === 0) throw new RangeError("which connections?");
  const tuples = [
    ...(flagsOf(original) ? [nested(CTA.TUPLE_ORIG, ...tupleOf(original, family))] : []),
    ...(flagsOf(reply) ? [nested(CTA.TUPLE_REPLY, ...tupleOf(reply, family))] : []),
  ];
  return {
    type: NFNL.NFNL_SUBSYS_CTNETLINK | type,
    flags: 0,
    body: [familyHeader(family), ...tuples, nested(CTA.FILTER, ...flags)],
    what,
  };
}
