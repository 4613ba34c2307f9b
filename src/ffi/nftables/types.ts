/**
 * The types of keys and values of sets, by nft's numbers, which the kernel only keeps; with how their values are written.
 * @source nftables include/datatype.h
 */

export interface DataType {
  id: number;
  /** Bytes. */
  length: number;
  /** As libnftnl says it in a set's userdata: 0 for what is mixed, 1 the host's order, 2 the network's. */
  order: 0 | 1 | 2;
}

export const DATA_TYPES = {
  ipv4: { id: 7, length: 4, order: 2 },
  ipv6: { id: 8, length: 16, order: 2 },
  protocol: { id: 12, length: 1, order: 2 },
  service: { id: 13, length: 2, order: 2 },
  ifname: { id: 41, length: 16, order: 1 },
} as const satisfies Record<string, DataType>;

const ID_BITS = 6;
const padded = (length: number): number => (length + 3) & ~3;

/** `ipv4_addr . inet_service`: each part takes whole words. One alone is itself. */
export function concatenation(types: readonly DataType[]): DataType {
  const [only] = types;
  if (types.length === 1) return only!;
  return {
    id: types.reduce((id, type) => (id << ID_BITS) | type.id, 0),
    length: types.reduce((sum, type) => sum + padded(type.length), 0),
    order: 0,
  };
}

/** The value of a concatenation, of its parts' values. One alone is itself. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + padded(part.length), 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += padded(part.length);
  }
  return bytes;
}

export const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

export const protocolValue = (name: keyof typeof PROTOCOLS): Uint8Array => new Uint8Array([PROTOCOLS[name]]);

export const serviceValue = (port: number): Uint8Array => new Uint8Array([port >> 8, port & 0xff]);

/** @throws RangeError for a name that no link can have */
export function ifnameValue(name: string): Uint8Array {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length > 15) throw new RangeError(`invalid interface name "${name}"`);
  const value = new Uint8Array(16);
  value.set(bytes);
  return value;
}
