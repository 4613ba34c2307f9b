/**
 * One 512-byte tar header: v7, ustar, GNU and star in one parser, ustar out of the encoder.
 * @source POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
 */
import { BLOCK, TarError } from "./entry.ts";

export interface RawHeader {
  name: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds. */
  mtime: number;
  typeflag: string;
  linkname: string;
  uname: string;
  gname: string;
  major: number;
  minor: number;
  /** GNU's own magic, whose last 167 bytes mean something else than ustar's prefix. */
  gnu: boolean;
}

/** A NUL-terminated field as a byte string. */
export function text(block: Uint8Array, at: number, length: number): string {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  return Buffer.from(block.buffer, block.byteOffset + at, end - at).toString("latin1");
}

/** Octal digits, or GNU's base-256 when the first bit is set. */
export function number(block: Uint8Array, at: number, length: number): number {
  const first = block[at]!;
  if (first & 0x80) {
    // Two's complement, most significant byte first; anything past 2^53 is nobody's file.
    let value = first & 0x40 ? (first & 0x3f) - 64 : first & 0x3f;
    for (let i = 1; i < length; i++) value = value * 256 + block[at + i]!;
    if (!Number.isSafeInteger(value)) throw new TarError("invalid tar header: number out of range");
    return value;
  }
  const digits = text(block, at, length).trim();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw new TarError("invalid tar header");
  return Number.parseInt(digits, 8);
}

/** @returns undefined for a block of zeros, the end of the archive. */
export function parseHeader(block: Uint8Array): RawHeader | undefined {
  let sum = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 32 : block[i]!;
    sum += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  // Eight blanks for the checksum and nothing else.
  if (sum === 256 && block[148] === 0) return undefined;
  const expected = number(block, 148, 8);
  // Some old tars summed signed chars.
  if (expected !== sum && expected !== signed) throw new TarError("invalid tar header");
  const magic = text(block, 257, 8);
  const gnu = magic.startsWith("ustar  ");
  const posix = magic.startsWith("ustar") && !gnu;
  const name = text(block, 0, 100);
  const prefix = posix ? text(block, 345, 155) : "";
  const devices = posix || gnu;
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    typeflag: String.fromCharCode(block[156]!),
    linkname: text(block, 157, 100),
    uname: devices ? text(block, 265, 32) : "",
    gname: devices ? text(block, 297, 32) : "",
    major: devices ? number(block, 329, 8) : 0,
    minor: devices ? number(block, 337, 8) : 0,
    gnu,
  };
}

/** Fields that do not fit are left at what does: the caller gives those in a pax header as well. */
export function encodeHeader(h: Omit<RawHeader, "gnu">): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) => {
    const digits = Math.max(0, value).toString(8);
    block.write(
      digits.length < length ? digits.padStart(length - 1, "0") : "0".repeat(length - 1),
      at,
      "latin1",
    );
  };
  block.write(h.name.slice(0, 100), 0, "latin1");
  octal(h.mode & 0o7777, 100, 8);
  octal(h.uid, 108, 8);
  octal(h.gid, 116, 8);
  octal(h.size, 124, 12);
  octal(h.mtime, 136, 12);
  block.write(h.typeflag, 156, "latin1");
  block.write(h.linkname.slice(0, 100), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  block.write(h.uname.slice(0, 31), 265, "latin1");
  block.write(h.gname.slice(0, 31), 297, "latin1");
  octal(h.major, 329, 8);
  octal(h.minor, 337, 8);
  block.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Largest value that an octal field of `length` bytes holds. */
export const octalMax = (length: number): number => 8 ** (length - 1) - 1;
