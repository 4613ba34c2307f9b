/** Addresses, prefixes and MACs: text on our side, bytes on the kernel's. */
import { isIP } from "node:net";
import { AF } from "./route-flags.ts";

/** An address with its prefix length: 4 or 16 bytes. */
export interface Prefix {
  bytes: Uint8Array;
  length: number;
}

/** @throws RangeError for what is no address. A zone (`%eth0`) is none. */
export function addressBytes(text: string): Uint8Array {
  switch (isIP(text)) {
    case 4:
      return Uint8Array.from(text.split("."), Number);
    case 6:
      return six(text);
    default:
      throw new RangeError(`invalid IP address ${JSON.stringify(text)}`);
  }
}

function six(text: string): Uint8Array {
  if (text.includes("%")) throw new RangeError(`invalid IP address ${JSON.stringify(text)}`);
  const bytes = new Uint8Array(16);
  const [head = "", tail] = text.split("::");
  const groups = (part: string): number[] =>
    part === ""
      ? []
      : part.split(":").flatMap((group) => {
          if (!group.includes(".")) return [Number.parseInt(group, 16)];
          const [a, b, c, d] = group.split(".").map(Number) as [number, number, number, number];
          return [(a << 8) | b, (c << 8) | d];
        });
  const put = (values: number[], from: number): void => {
    for (const [n, value] of values.entries()) {
      bytes[(from + n) * 2] = value >> 8;
      bytes[(from + n) * 2 + 1] = value;
    }
  };
  put(groups(head), 0);
  const last = groups(tail ?? "");
  put(last, 8 - last.length);
  return bytes;
}

/** RFC 5952 for IPv6. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, n) => (bytes[n * 2]! << 8) | bytes[n * 2 + 1]!);
  let [best, length] = [-1, 1];
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from > length) [best, length] = [from, to - from];
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (best < 0) return hex(groups);
  return `${hex(groups.slice(0, best))}::${hex(groups.slice(best + length))}`;
}

/** `172.18.0.2/16`. @throws RangeError */
export function prefix(text: string): Prefix {
  const slash = text.indexOf("/");
  const bytes = addressBytes(slash < 0 ? text : text.slice(0, slash));
  const length = slash < 0 ? bytes.length * 8 : Number(text.slice(slash + 1));
  if (!Number.isInteger(length) || length < 0 || length > bytes.length * 8)
    throw new RangeError(`invalid prefix ${JSON.stringify(text)}`);
  return { bytes, length };
}

export const prefixText = ({ bytes, length }: Prefix): string => `${addressText(bytes)}/${length}`;

/** The bits of the nth byte that belong to the prefix. */
const mask = (length: number, n: number): number =>
  (0xff << (8 - Math.min(8, Math.max(0, length - n * 8)))) & 0xff;

/** With the bits behind the length cleared. */
export const networkOf = ({ bytes, length }: Prefix): Prefix => ({
  bytes: bytes.map((byte, n) => byte & mask(length, n)),
  length,
});

/** The last address of the prefix: of IPv4 the broadcast address. */
export const lastOf = ({ bytes, length }: Prefix): Uint8Array =>
  bytes.map((byte, n) => byte | (~mask(length, n) & 0xff));

export const familyOf = (bytes: Uint8Array): number => (bytes.length === 4 ? AF.AF_INET : AF.AF_INET6);

/** `02:42:ac:11:00:02`. @throws RangeError */
export function macBytes(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text))
    throw new RangeError(`invalid MAC address ${JSON.stringify(text)}`);
  return Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));
}

export const macText = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
