/**
 * The parts of packets that rules look at, with the words of nft for what is done with them: `is(IP4.destination, …)` is
 * `ip daddr …`. Each gives a list of expressions; a rule is such lists, one after the other.
 */
import {
  compare,
  ct,
  type Expression,
  fib,
  type LookUp,
  lookup,
  mask,
  meta,
  nat,
  payload,
  setMeta,
  words,
} from "./expressions.ts";
import { CT, CT_STATE, FIB, IPS_DST_NAT, META, NFPROTO, PAYLOAD_BASE } from "./flags.ts";
import { DATA_TYPES, type DataType } from "./types.ts";

export interface Field {
  type: DataType;
  load(word: number): Expression;
  /** For payloads: the first bytes of it alone. */
  loadPart?(word: number, bytes: number): Expression;
}

const metaField = (type: DataType, key: number): Field => ({ type, load: (word) => meta(key, word) });

function payloadField(type: DataType, base: number, offset: number): Field {
  const loadPart = (word: number, bytes: number) => payload(base, offset, bytes, word);
  return { type, load: (word) => loadPart(word, type.length), loadPart };
}

const { network, transport } = PAYLOAD_BASE;
const { ipv4, ipv6, protocol, service, ifname } = DATA_TYPES;

export const iifname = metaField(ifname, META.iifname);
export const oifname = metaField(ifname, META.oifname);
export const l4proto = metaField(protocol, META.l4proto);
export const sport = payloadField(service, transport, 0);
export const dport = payloadField(service, transport, 2);
export const icmpType = payloadField(protocol, transport, 0);

/** Addresses, by family. A rule in an inet or bridge table has to ask for the family first: `ipv4Only`, `ipv6Only`. */
export const IP4 = {
  saddr: payloadField(ipv4, network, 12),
  daddr: payloadField(ipv4, network, 16),
  family: NFPROTO.ip,
  type: ipv4,
} as const;
export const IP6 = {
  saddr: payloadField(ipv6, network, 8),
  daddr: payloadField(ipv6, network, 24),
  family: NFPROTO.ip6,
  type: ipv6,
} as const;
export type Ip = typeof IP4 | typeof IP6;

/** In an inet table. */
export const nfproto = (ip: Ip): Expression[] => [
  meta(META.nfproto, 0),
  compare(0, new Uint8Array([ip.family])),
];

/** In a bridge table: the frame's EtherType. */
export const etherType = (ip: Ip): Expression[] => [
  meta(META.protocol, 0),
  compare(0, new Uint8Array(ip.family === NFPROTO.ip ? [0x08, 0x00] : [0x86, 0xdd])),
];

/** In a bridge table. */
export const isArp = (): Expression[] => [meta(META.protocol, 0), compare(0, new Uint8Array([0x08, 0x06]))];

export const is = (field: Field, value: Uint8Array): Expression[] => [field.load(0), compare(0, value)];

export const isNot = (field: Field, value: Uint8Array): Expression[] => [
  field.load(0),
  compare(0, value, true),
];

/** An address in a prefix. Whole bytes are compared as they are, as nft does. */
export function within(field: Field, prefix: { address: Uint8Array; bits: number }): Expression[] {
  const { address, bits } = prefix;
  if (bits % 8 === 0 && bits > 0 && field.loadPart) {
    return [field.loadPart(0, bits / 8), compare(0, address.subarray(0, bits / 8))];
  }
  const ones = address.map((_, n) => (0xff00 >> Math.min(Math.max(bits - n * 8, 0), 8)) & 0xff);
  return [
    field.load(0),
    mask(0, ones),
    compare(
      0,
      address.map((byte, n) => byte & ones[n]!),
    ),
  ];
}

/** The fields one after the other, each from a word of its own on: the key of a concatenation. */
function load(fields: readonly Field[]): Expression[] {
  let word = 0;
  return fields.map((field) => {
    const expression = field.load(word);
    word += words(field.type.length);
    return expression;
  });
}

export const lookUp = (set: string, fields: readonly Field[], how?: LookUp): Expression[] => [
  ...load(fields),
  lookup(0, set, how),
];

/** `dnat … to KEY map @MAP`: the map gives an address and a port; without an entry, the rule ends. */
export const dnatBy = (ip: Ip, map: string, fields: readonly Field[], id?: number): Expression[] => [
  ...lookUp(map, fields, { into: 0, ...(id !== undefined && { id }) }),
  nat("dnat", ip.family, 0, words(ip.type.length)),
];

/** `snat … to KEY map @MAP`: the map gives an address; without an entry, the rule ends. */
export const snatBy = (ip: Ip, map: string, fields: readonly Field[], id?: number): Expression[] => [
  ...lookUp(map, fields, { into: 0, ...(id !== undefined && { id }) }),
  nat("snat", ip.family, 0),
];

const little = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);

const bits = (expression: Expression, wanted: number): Expression[] => [
  expression,
  mask(0, little(wanted)),
  compare(0, little(0), true),
];

/** `ct state established,related` */
export const established = (): Expression[] => bits(ct(CT.state, 0), CT_STATE.established | CT_STATE.related);

/** `ct status dnat`: the connection's destination was changed. */
export const destinationChanged = (): Expression[] => bits(ct(CT.status, 0), IPS_DST_NAT);

/** `meta mark set meta mark | BIT` */
export const markBit = (bit: number): Expression[] => [
  meta(META.mark, 0),
  mask(0, little(~bit), little(bit)),
  setMeta(META.mark, 0),
];

/** `meta mark & BIT == BIT` */
export const isMarked = (bit: number): Expression[] => [
  meta(META.mark, 0),
  mask(0, little(bit)),
  compare(0, little(bit)),
];

/** `fib daddr type local` */
export const toThisHost = (): Expression[] => [
  fib(FIB.NFT_FIB_RESULT_ADDRTYPE, FIB.NFTA_FIB_F_DADDR, 0),
  compare(0, little(FIB.RTN_LOCAL)),
];

/** `fib saddr type != local` */
export const notOfThisHost = (): Expression[] => [
  fib(FIB.NFT_FIB_RESULT_ADDRTYPE, FIB.NFTA_FIB_F_SADDR, 0),
  compare(0, little(FIB.RTN_LOCAL), true),
];
