/**
 * Makes a tar archive of a folder in a container. The container may change it meanwhile and means no good: every
 * step is one name below an open descriptor, never followed when it is a symlink.
 */
import { fstatSync, lstatSync, readdirSync, readSync } from "node:fs";
import { xattrAt } from "../../ffi/detached.ts";
import { close, FsError, O, openAt, openRegular, readlinkAt } from "../../ffi/fs.ts";
import type { EntryType } from "../archive/entry.ts";
import { header, padding, trailer } from "../archive/write.ts";

const CHUNK = 256 * 1024;

/** latin1 is one char per byte: names need not be UTF-8. */
const BYTES = "latin1" as BufferEncoding;
const own = (fd: number, leaf?: string): Buffer =>
  Buffer.from(`/proc/self/fd/${fd}${leaf === undefined ? "" : `/${leaf}`}`, "latin1");

type BigStats = ReturnType<typeof stat>;
const stat = (dir: number, leaf: string) => lstatSync(own(dir, leaf), { bigint: true });

function typeOf(stats: BigStats): EntryType | undefined {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "dir";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "char";
  if (stats.isBlockDevice()) return "block";
  // A socket means nothing in an archive.
  return stats.isFIFO() ? "fifo" : undefined;
}

/**
 * What Docker puts into every container when it is created, to mount upon, and we when it is started: an export has
 * it always. By the folder that it is in.
 */
const PLACED: Readonly<Record<string, Readonly<Record<string, EntryType>>>> = {
  ".": { ".dockerenv": "file", dev: "dir", etc: "dir", proc: "dir", sys: "dir" },
  dev: { console: "file", pts: "dir", shm: "dir" },
  etc: { hostname: "file", hosts: "file", mtab: "symlink", "resolv.conf": "file" },
};
const PLACED_MODE = 0o755;

interface Walk {
  /** device:inode of files with several names, and the first name. */
  links: Map<string, string>;
  /** Given when what is mounted below is to be left out, as the empty folder or file that it is mounted on. */
  only?: { readonly dev: bigint; readonly covered: ReadonlySet<string> };
  /** Folders, by their name in the archive, that go in empty. */
  empty?: ReadonlySet<string>;
}

function entryOf(stats: BigStats, type: EntryType, name: string, dir: number, leaf: string) {
  const rdev = Number(stats.rdev);
  const capability = type === "file" ? xattrAt(dir, leaf, "security.capability") : undefined;
  return {
    name: type === "dir" ? `${name}/` : name,
    type,
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === "file" ? Number(stats.size) : 0,
    mtime: stats.mtimeNs,
    linkname: type === "symlink" ? readlinkAt(dir, leaf) : "",
    major: Math.floor(rdev / 2 ** 8) % 2 ** 12,
    minor: (rdev % 2 ** 8) + Math.floor(rdev / 2 ** 20) * 2 ** 8,
    xattrs: capability === undefined ? undefined : new Map([["security.capability", capability]]),
  };
}

/** Exactly `size` bytes, whatever became of the file since its header was written. */
function* contents(fd: number, size: number): Generator<Uint8Array> {
  let left = size;
  while (left > 0) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left));
    const got = readSync(fd, buffer, 0, buffer.length, null);
    if (got === 0) {
      for (; left > 0; left -= Math.min(CHUNK, left)) yield new Uint8Array(Math.min(CHUNK, left));
      break;
    }
    left -= got;
    yield buffer.subarray(0, got);
  }
  yield padding(size);
}

function* one(dir: number, leaf: string, name: string, walk: Walk): Generator<Uint8Array> {
  let stats: BigStats;
  try {
    stats = stat(dir, leaf);
  } catch {
    // Gone since the folder was read.
    return;
  }
  const type = typeOf(stats);
  if (type === undefined) return;
  try {
    if (type === "file") yield* file(dir, leaf, name, walk);
    else {
      const entered = walk.only === undefined || walk.only.dev === stats.dev;
      const entry = entryOf(stats, type, name, dir, leaf);
      // What is mounted there says nothing of the folder that it lies on.
      yield header(entered || PLACED["."]![name] !== "dir" ? entry : { ...entry, mode: PLACED_MODE });
      if (type === "dir" && !entered) yield* placed(name, Object.keys(PLACED[name] ?? {}), stats.mtimeNs);
      if (type === "dir" && entered && !walk.empty?.has(name)) {
        const fd = openAt(dir, leaf, O.RDONLY | O.DIRECTORY);
        try {
          yield* below(fd, name, walk);
        } finally {
          close(fd);
        }
      }
    }
  } catch (error) {
    // It vanished or became something else under our hands; what is archived stays whole.
    if (!(error instanceof FsError)) throw error;
  }
}

/** It may have become a fifo or a device just now. */
function openFile(dir: number, leaf: string): number | undefined {
  const found = openAt(dir, leaf, O.PATH);
  try {
    return openRegular(found);
  } finally {
    close(found);
  }
}

function* file(dir: number, leaf: string, name: string, walk: Walk): Generator<Uint8Array> {
  const fd = openFile(dir, leaf);
  if (fd === undefined) return;
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (walk.only?.covered.has(name)) {
      yield header({ ...entryOf(stats, "file", name, dir, leaf), size: 0 });
      return;
    }
    const key = `${stats.dev}:${stats.ino}`;
    const first = stats.nlink > 1n ? walk.links.get(key) : undefined;
    if (first !== undefined) {
      yield header({ ...entryOf(stats, "link", name, dir, leaf), linkname: first });
      return;
    }
    if (stats.nlink > 1n) walk.links.set(key, name);
    yield header(entryOf(stats, "file", name, dir, leaf));
    yield* contents(fd, Number(stats.size));
  } finally {
    close(fd);
  }
}

function* below(fd: number, name: string, walk: Walk): Generator<Uint8Array> {
  const names = readdirSync(own(fd), { encoding: BYTES }) as unknown as string[];
  const absent = walk.only ? Object.keys(PLACED[name] ?? {}).filter((leaf) => !names.includes(leaf)) : [];
  const mtime = absent.length > 0 ? fstatSync(fd, { bigint: true }).mtimeNs : 0n;
  for (const leaf of [...names, ...absent].sort()) {
    // An export names them without the dot; a copy with it, since the client puts its own folder in the dot's place.
    if (absent.includes(leaf)) yield* placed(name, [leaf], mtime);
    else yield* one(fd, leaf, name === "." && walk.only ? leaf : `${name}/${leaf}`, walk);
  }
}

/** What is not there yet of a folder's. */
function* placed(folder: string, leaves: readonly string[], mtime: bigint): Generator<Uint8Array> {
  for (const leaf of leaves) {
    const type = PLACED[folder]![leaf]!;
    const name = folder === "." ? leaf : `${folder}/${leaf}`;
    const mode = type === "symlink" ? 0o777 : PLACED_MODE;
    const linkname = type === "symlink" ? "/proc/mounts" : "";
    yield header({ name: type === "dir" ? `${name}/` : name, type, mode, mtime, linkname });
    if (type === "dir") yield* placed(name, Object.keys(PLACED[name] ?? {}), mtime);
  }
}

/** A turn of the event loop between pieces, so that a large copy does not hold up everybody else. */
async function* paced(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const piece of pieces) {
    parts.push(piece);
    size += piece.length;
    if (size < CHUNK) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
    await new Promise(setImmediate);
  }
  yield Buffer.concat([...parts, trailer()]);
}

function* folder(
  dir: number,
  name: string,
  { empty, covered }: { empty?: ReadonlySet<string>; covered?: ReadonlySet<string> },
): Generator<Uint8Array> {
  const stats = fstatSync(dir, { bigint: true });
  const only = covered && { dev: stats.dev, covered };
  const walk: Walk = { links: new Map(), ...(only && { only }), ...(empty && { empty }) };
  // Docker's exports have no entry of the root itself.
  if (only === undefined) yield header(entryOf(stats, "dir", name, dir, "."));
  yield* below(dir, name, walk);
}

/**
 * The folder `dir` (opened for reading) under `name`, `.` for itself; the folders `empty` in it, by their names in the
 * archive, without what is in them. `dir` stays the caller's, until the end.
 */
export const pack = (
  dir: number,
  name: string,
  empty: ReadonlySet<string> = new Set(),
): AsyncGenerator<Uint8Array> => paced(folder(dir, name, { empty }));

/** A whole root by its own file system alone; `covered` are the files, by their path in it, that others lie on. */
export const packRoot = (dir: number, covered: ReadonlySet<string>): AsyncGenerator<Uint8Array> =>
  paced(folder(dir, ".", { covered }));

/** One entry of `dir`, of any kind, under another name. */
export const packOne = (dir: number, leaf: string, name: string): AsyncGenerator<Uint8Array> =>
  paced(one(dir, leaf, name, { links: new Map() }));
