/**
 * Writes tar archives: ustar headers, with a pax header in front where ustar cannot say it (long names, large
 * numbers, fractions of a second, xattrs), which is what Go's archive/tar, GNU tar and busybox all read.
 */
import { BLOCK, type EntryType, type TarEntry } from "./entry.ts";
import { encodeHeader, octalMax, type RawHeader } from "./header.ts";
import { encodePax } from "./pax.ts";

const FLAGS: Record<EntryType, string> = {
  file: "0",
  link: "1",
  symlink: "2",
  char: "3",
  block: "4",
  dir: "5",
  fifo: "6",
};

const NAME_MAX = 100;
const ascii = (value: string): boolean => /^[\x01-\x7f]*$/.test(value);

/** What must be known of an entry; the rest has defaults. */
export type NewEntry = Pick<TarEntry, "name" | "type" | "mode"> & Partial<Omit<TarEntry, "sparse">>;

/** The header blocks of an entry; its `size` bytes of data and `padding(size)` follow. */
export function header(entry: NewEntry): Uint8Array {
  const size = entry.type === "file" ? (entry.size ?? 0) : 0;
  const mtime = entry.mtime ?? 0n;
  const seconds = Number(mtime / 1_000_000_000n);
  const raw: Omit<RawHeader, "gnu"> = {
    name: entry.name,
    mode: entry.mode,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    size,
    mtime: seconds,
    typeflag: FLAGS[entry.type],
    linkname: entry.linkname ?? "",
    uname: entry.uname ?? "",
    gname: entry.gname ?? "",
    major: entry.major ?? 0,
    minor: entry.minor ?? 0,
  };
  const pax: [string, string][] = [];
  if (raw.name.length > NAME_MAX || !ascii(raw.name)) pax.push(["path", raw.name]);
  if (raw.linkname.length > NAME_MAX || !ascii(raw.linkname)) pax.push(["linkpath", raw.linkname]);
  if (size > octalMax(12)) pax.push(["size", String(size)]);
  if (raw.uid > octalMax(8)) pax.push(["uid", String(raw.uid)]);
  if (raw.gid > octalMax(8)) pax.push(["gid", String(raw.gid)]);
  if (mtime < 0n || mtime % 1_000_000_000n !== 0n || seconds > octalMax(12)) pax.push(["mtime", time(mtime)]);
  for (const [key, value] of entry.xattrs ?? []) {
    pax.push([`SCHILY.xattr.${key}`, Buffer.from(value).toString("latin1")]);
  }
  const block = encodeHeader(raw);
  if (pax.length === 0) return block;
  const records = encodePax(pax);
  const name = `PaxHeaders.0/${raw.name.slice(-80)}`;
  const extension = encodeHeader({
    ...raw,
    name: ascii(name) ? name : "PaxHeaders.0/entry",
    mode: 0o644,
    uid: 0,
    gid: 0,
    typeflag: "x",
    linkname: "",
    size: records.length,
    major: 0,
    minor: 0,
  });
  return Buffer.concat([extension, records, padding(records.length), block]);
}

/** Zeros that fill an entry's data up to a whole block. */
export const padding = (size: number): Uint8Array => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);

/** The end of an archive. */
export const trailer = (): Uint8Array => new Uint8Array(2 * BLOCK);

function time(nanoseconds: bigint): string {
  const sign = nanoseconds < 0n ? "-" : "";
  const value = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const fraction = String(value % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  const seconds = value / 1_000_000_000n;
  return fraction === "" ? `${sign}${seconds}` : `${sign}${seconds}.${fraction}`;
}
