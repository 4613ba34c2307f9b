/**
 * Attributes: type, length and value, each on a multiple of four bytes, with others inside where they nest. Numbers are
 * in the machine's order (little-endian on both architectures) for rtnetlink, in the network's (`be…`) for nf_tables.
 * @source linux/netlink.h (struct nlattr), kernel Documentation/userspace-api/netlink/intro.rst
 */
import { NLA } from "./flags.ts";

const HEADER = 4;
const align = (length: number): number => (length + 3) & ~3;

/** One attribute, header and padding included, ready to be put after others. */
export type Attribute = Uint8Array;

/** @throws RangeError when the payload is longer than a length of 16 bits can say. */
export function attribute(type: number, payload: Uint8Array): Attribute {
  const length = HEADER + payload.length;
  if (length > 0xffff) throw new RangeError(`netlink attribute ${type} of ${payload.length} bytes`);
  const bytes = new Uint8Array(align(length));
  bytes[0] = length;
  bytes[1] = length >> 8;
  bytes[2] = type;
  bytes[3] = type >> 8;
  bytes.set(payload, HEADER);
  return bytes;
}

/** Its presence is its meaning. */
export const flag = (type: number): Attribute => attribute(type, new Uint8Array(0));

export const u8 = (type: number, value: number): Attribute => attribute(type, new Uint8Array([value]));

/** An attribute with a number in it, written by DataView's `set`. */
function number(type: number, size: number, set: (view: DataView) => void): Attribute {
  const bytes = new Uint8Array(HEADER + align(size));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, HEADER + size, true);
  view.setUint16(2, type, true);
  set(view);
  return bytes;
}

export const u16 = (type: number, value: number): Attribute =>
  number(type, 2, (view) => view.setUint16(HEADER, value, true));

/** Negative numbers as their two's complement. */
export const u32 = (type: number, value: number): Attribute =>
  number(type, 4, (view) => view.setUint32(HEADER, value, true));

export const u64 = (type: number, value: bigint): Attribute =>
  number(type, 8, (view) => view.setBigUint64(HEADER, value, true));

export const be16 = (type: number, value: number): Attribute =>
  number(type, 2, (view) => view.setUint16(HEADER, value));

export const be32 = (type: number, value: number): Attribute =>
  number(type, 4, (view) => view.setUint32(HEADER, value));

/** With its NUL. */
export const text = (type: number, value: string): Attribute =>
  attribute(type, new TextEncoder().encode(`${value}\0`));

export const nested = (type: number, ...inside: Attribute[]): Attribute =>
  attribute(type | NLA.NLA_F_NESTED, concatenate(inside));

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What is there, in order: types without their flags, values without padding. Ends at the first that makes no sense. */
export function* readAttributes(bytes: Uint8Array): Generator<[type: number, value: Uint8Array]> {
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    if (length < HEADER || at + length > bytes.length) return;
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & NLA.NLA_TYPE_MASK;
    yield [type, bytes.subarray(at + HEADER, at + length)];
    at += align(length);
  }
}

/** By type, the last of each: for what is no list. With `only`, those types alone: a link has some 60 attributes. */
export function attributeMap(bytes: Uint8Array, only?: readonly number[]): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    if (length < HEADER || at + length > bytes.length) break;
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & NLA.NLA_TYPE_MASK;
    if (only === undefined || only.includes(type)) found.set(type, bytes.subarray(at + HEADER, at + length));
    at += align(length);
  }
  return found;
}

const view = (value: Uint8Array): DataView => new DataView(value.buffer, value.byteOffset, value.byteLength);

/** 0 for a value that is absent or too short, as for all of these. */
export const asU8 = (value: Uint8Array | undefined): number => value?.[0] ?? 0;

export const asU32 = (value: Uint8Array | undefined): number =>
  value && value.length >= 4 ? view(value).getUint32(0, true) : 0;

export const asBe16 = (value: Uint8Array | undefined): number =>
  value && value.length >= 2 ? view(value).getUint16(0) : 0;

export const asBe32 = (value: Uint8Array | undefined): number =>
  value && value.length >= 4 ? view(value).getUint32(0) : 0;

/** Up to its NUL; empty when absent. */
export function asText(value: Uint8Array | undefined): string {
  if (value === undefined) return "";
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}
