/**
 * Addresses and prefixes of both families as numbers, so that they can be compared and counted. Text goes in and out in
 * the canonical forms: dotted quads, and RFC 5952 for IPv6. IPv4 mapped into IPv6 is IPv4.
 */
export type Family = 4 | 6;

export interface Address {
  family: Family;
  value: bigint;
}

/** `address` may have bits beyond the prefix: see {@link masked}. */
export interface Prefix {
  address: Address;
  bits: number;
}

export const WIDTH: Record<Family, number> = { 4: 32, 6: 128 };
const MAPPED = 0xffffn << 32n;

/** Undefined for what is no address; zones are not taken. */
export function parseAddress(text: string): Address | undefined {
  const address = text.includes(":") ? parse6(text) : parse4(text);
  return address && unmap(address);
}

export function formatAddress({ family, value }: Address): string {
  return family === 4 ? format4(value) : format6(value);
}

/** Undefined for what is no `ADDRESS/BITS`. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.lastIndexOf("/");
  if (slash < 0) return undefined;
  const plain = text.slice(0, slash);
  const raw = plain.includes(":") ? parse6(plain) : parse4(plain);
  const length = text.slice(slash + 1);
  if (!raw || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > WIDTH[raw.family]) return undefined;
  const address = unmap(raw);
  const bits = address.family === raw.family ? Number(length) : Math.max(0, Number(length) - 96);
  return { address, bits };
}

export const formatPrefix = ({ address, bits }: Prefix): string => `${formatAddress(address)}/${bits}`;

/** How many addresses a prefix holds. */
export const sizeOf = ({ address, bits }: Prefix): bigint => 1n << BigInt(WIDTH[address.family] - bits);

/** Without the bits beyond its length. */
export function masked(prefix: Prefix): Prefix {
  const { address, bits } = prefix;
  const host = BigInt(WIDTH[address.family] - bits);
  return { address: { family: address.family, value: (address.value >> host) << host }, bits };
}

export const firstOf = (prefix: Prefix): bigint => masked(prefix).address.value;
export const lastOf = (prefix: Prefix): bigint => firstOf(prefix) + sizeOf(prefix) - 1n;

export function contains(prefix: Prefix, address: Address): boolean {
  return (
    prefix.address.family === address.family &&
    address.value >= firstOf(prefix) &&
    address.value <= lastOf(prefix)
  );
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.address.family === b.address.family && firstOf(a) <= lastOf(b) && firstOf(b) <= lastOf(a);
}

export const isUnspecified = ({ value }: Address): boolean => value === 0n;

export function isLoopback({ family, value }: Address): boolean {
  return family === 4 ? value >> 24n === 127n : value === 1n;
}

/** 169.254.0.0/16 and fe80::/10. */
export function isLinkLocal({ family, value }: Address): boolean {
  return family === 4 ? value >> 16n === 0xa9fen : value >> 118n === 0x3fan;
}

function unmap(address: Address): Address {
  if (address.family === 4 || address.value >> 32n !== MAPPED >> 32n) return address;
  return { family: 4, value: address.value & 0xffffffffn };
}

function parse4(text: string): Address | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return { family: 4, value };
}

function parse6(text: string): Address | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1)!;
  if (last.at(-1)?.includes(".")) {
    const quad = parse4(last.pop()!);
    if (!quad) return undefined;
    last.push((quad.value >> 16n).toString(16), (quad.value & 0xffffn).toString(16));
  }
  const [head, tail = []] = groups as [string[], string[]?];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array<string>(missing).fill("0"), ...tail]) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    value = (value << 16n) | BigInt(`0x${group}`);
  }
  return { family: 6, value };
}

const format4 = (value: bigint): string => [24n, 16n, 8n, 0n].map((at) => (value >> at) & 255n).join(".");

function format6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, at) =>
    Number((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16),
  );
  // The longest run of zeros, the first of equals; one zero alone is written.
  let start = -1;
  let length = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === "0") end++;
    if (end - at > length) {
      start = at;
      length = end - at;
    }
  }
  if (start < 0) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}
