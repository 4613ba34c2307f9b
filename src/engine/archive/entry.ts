/** What a tar archive says about one file. */

export type EntryType = "file" | "link" | "symlink" | "char" | "block" | "dir" | "fifo";

/** A run of real data inside a sparse file; everything between is a hole. Bytes. */
export interface Segment {
  offset: number;
  length: number;
}

export interface TarEntry {
  /** As in the archive, one char per byte (latin1): archives do not promise UTF-8. Not to be trusted. */
  name: string;
  type: EntryType;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of the file when unpacked; 0 for anything but a file. */
  size: number;
  /** Nanoseconds since the epoch. */
  mtime: bigint;
  /** Target of a link or symlink, byte string like `name`; else empty. */
  linkname: string;
  major: number;
  minor: number;
  uname?: string;
  gname?: string;
  xattrs?: Map<string, Uint8Array>;
  sparse?: Segment[];
}

export class TarError extends Error {
  override readonly name = "TarError";
}

/** Bytes of a record, the unit of everything in a tar archive. */
export const BLOCK = 512;
