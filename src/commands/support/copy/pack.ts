/** Packs a file or a folder of this machine for a container, as a stream. */
import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import type { EntryType } from "../../../engine/archive/entry.ts";
import { header, padding, trailer } from "../../../engine/archive/write.ts";

const CHUNK = 1 << 18;

function typeOf(stat: BigIntStats): EntryType | undefined {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "dir";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  if (stat.isCharacterDevice()) return "char";
  // Sockets have no place in an archive.
  return stat.isBlockDevice() ? "block" : undefined;
}

/** The tree at `path`, its root named `name` in the archive. */
export async function* pack(path: string, name: string): AsyncGenerator<Uint8Array> {
  const links = new Map<string, string>();
  const walk = function* (at: string, as: string): Generator<Uint8Array> {
    const stat = lstatSync(at, { bigint: true });
    const type = typeOf(stat);
    if (!type) return;
    const common = {
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtime: stat.mtimeNs,
    };
    const key = `${stat.dev}:${stat.ino}`;
    const first = links.get(key);
    if (type === "file" && first !== undefined) {
      yield header({ ...common, name: as, type: "link", linkname: first });
      return;
    }
    if (type === "file") {
      if (stat.nlink > 1n) links.set(key, as);
      yield* file(at, as, common);
      return;
    }
    const device =
      type === "char" || type === "block"
        ? {
            major: Number((stat.rdev >> 8n) & 0xfffn),
            minor: Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xfff00n)),
          }
        : {};
    yield header({
      ...common,
      ...device,
      name: type === "dir" ? `${as}/` : as,
      type,
      linkname: type === "symlink" ? readlinkSync(at) : "",
    });
    if (type !== "dir") return;
    for (const entry of readdirSync(at).sort()) yield* walk(`${at}/${entry}`, `${as}/${entry}`);
  };
  yield* walk(path, name);
  yield trailer();
}

/** The size in the header is a promise: a file that shrinks meanwhile is filled up, one that grows is cut. */
function* file(
  path: string,
  name: string,
  common: { mode: number; uid: number; gid: number; mtime: bigint },
): Generator<Uint8Array> {
  const fd = openSync(path, "r");
  try {
    const size = Number(lstatSync(path, { bigint: true }).size);
    yield header({ ...common, name, type: "file", size });
    let left = size;
    while (left > 0) {
      const buffer = new Uint8Array(Math.min(CHUNK, left));
      const count = readSync(fd, buffer, 0, buffer.length, null);
      left -= count === 0 ? buffer.length : count;
      yield count === 0 ? buffer : buffer.subarray(0, count);
    }
    yield padding(size);
  } finally {
    closeSync(fd);
  }
}
