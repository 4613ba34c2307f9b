/**
 * Extended headers: `LENGTH KEY=VALUE\n` records that override fields of the header that follows.
 * @source POSIX.1-2017 pax, "pax Extended Header"; GNU tar manual, "PAX sparse"; star(1) for SCHILY.xattr
 */
import { type Segment, TarError } from "./entry.ts";

/** Values are byte strings. */
export type PaxRecords = Map<string, string>;

export function parsePax(data: Uint8Array, into: PaxRecords = new Map()): PaxRecords {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const digits = space > at && space - at < 12 ? bytes.toString("latin1", at, space) : "";
    const length = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (length < digits.length + 3 || end > bytes.length || bytes[end - 1] !== 0x0a) {
      throw new TarError("invalid tar header: malformed pax record");
    }
    const equals = bytes.indexOf(0x3d, space);
    if (equals < 0 || equals >= end) throw new TarError("invalid tar header: malformed pax record");
    const key = bytes.toString("latin1", space + 1, equals);
    const value = bytes.toString("latin1", equals + 1, end - 1);
    if (key === "") throw new TarError("invalid tar header: malformed pax record");
    // GNU's sparse format 0.0 repeats two keys; they are gathered into the list that format 0.1 has.
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
      const list = into.get("GNU.sparse.map");
      into.set("GNU.sparse.map", list === undefined ? value : `${list},${value}`);
    } else if (value === "") {
      into.delete(key);
    } else {
      into.set(key, value);
    }
    at = end;
  }
  return into;
}

/** Records of byte strings, as a pax header's content. */
export function encodePax(records: Iterable<[string, string]>): Uint8Array {
  const lines: string[] = [];
  for (const [key, value] of records) {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    lines.push(`${length}${rest}`);
  }
  return Buffer.from(lines.join(""), "latin1");
}

/** Non-negative decimal within what a number holds exactly. */
export function decimal(value: string): number {
  const parsed = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(parsed))
    throw new TarError(`invalid tar header: bad number ${JSON.stringify(value)}`);
  return parsed;
}

/** `1500000000.123456789` in nanoseconds. */
export function paxTime(value: string): bigint {
  const match = /^(-?)([0-9]{1,12})(?:\.([0-9]*))?$/.exec(value);
  if (!match) throw new TarError(`invalid tar header: bad time ${JSON.stringify(value)}`);
  const fraction = BigInt((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  const nanoseconds = BigInt(match[2]!) * 1_000_000_000n + fraction;
  return match[1] === "-" ? -nanoseconds : nanoseconds;
}

/** `offset,length,offset,length…` of GNU's sparse format 0.1. */
export const sparseMap = (list: string): Segment[] => pairs(list === "" ? [] : list.split(",").map(decimal));

export function pairs(numbers: readonly number[]): Segment[] {
  if (numbers.length % 2 !== 0) throw new TarError("invalid tar header: malformed sparse map");
  const segments: Segment[] = [];
  for (let i = 0; i < numbers.length; i += 2) segments.push({ offset: numbers[i]!, length: numbers[i + 1]! });
  return segments;
}

/** A map that overlaps, runs past the file, or does not add up to the stored bytes is an attack or damage. */
export function checkSparse(segments: readonly Segment[], size: number, stored: number): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of segments) {
    if (offset < end || offset + length > size)
      throw new TarError("invalid tar header: sparse map out of order");
    end = offset + length;
    sum += length;
  }
  if (sum !== stored) throw new TarError("invalid tar header: sparse map does not match the stored size");
}
