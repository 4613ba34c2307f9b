/** What is at a path of a container, in the words of `X-Docker-Container-Path-Stat`. */
import { fstatSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { close, ERRNO, FsError, O, openInRoot, readlinkAt } from "../../ffi/fs.ts";
import type { PathStat } from "../services.ts";
import { cleanPath } from "./mount-points.ts";

/** Go's os.FileMode bits beyond the permissions. */
export const MODE = {
  dir: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  setuid: 2 ** 23,
  setgid: 2 ** 22,
  char: 2 ** 21,
  sticky: 2 ** 20,
};

/** A root to look from, and the path below it. */
export interface Place {
  root: number;
  path: string;
}

/** Paths are bytes to the kernel; latin1 strings carry them. */
export const bytesOf = (path: string): string => Buffer.from(path, "utf8").toString("latin1");

export const isMissing = (error: unknown): boolean =>
  error instanceof FsError && (error.errno === ERRNO.ENOENT || error.errno === ERRNO.ENOTDIR);

function goMode(stats: Stats): number {
  let mode = stats.mode & 0o777;
  if (stats.isDirectory()) mode += MODE.dir;
  if (stats.isSymbolicLink()) mode += MODE.symlink;
  if (stats.isBlockDevice()) mode += MODE.device;
  if (stats.isCharacterDevice()) mode += MODE.device + MODE.char;
  if (stats.isFIFO()) mode += MODE.fifo;
  if (stats.isSocket()) mode += MODE.socket;
  if (stats.mode & 0o4000) mode += MODE.setuid;
  if (stats.mode & 0o2000) mode += MODE.setgid;
  if (stats.mode & 0o1000) mode += MODE.sticky;
  return mode;
}

/** Local time zones mean nothing here: UTC, as a daemon in a container has it. */
function rfc3339(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = (nanoseconds % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return `${seconds}${fraction && `.${fraction}`}Z`;
}

/** `path/` and `path/.` ask for what a symlink leads to, as in every shell. */
const asksForFolder = (path: string): boolean => path.endsWith("/") || path.endsWith("/.");

/** @throws FsError as the kernel sees it; see `isMissing` */
export function statOf({ root, path }: Place, asked: string): PathStat {
  const follow = asksForFolder(asked) && path !== "/";
  const fd = openInRoot(root, bytesOf(path), follow ? O.PATH | O.DIRECTORY : O.PATH | O.NOFOLLOW);
  try {
    const stats = fstatSync(fd);
    const { mtimeNs } = fstatSync(fd, { bigint: true });
    return {
      name: path === "/" ? "/" : posix.basename(cleanPath(`/${asked}`)),
      size: stats.size,
      mode: goMode(stats),
      mtime: rfc3339(mtimeNs),
      linkTarget: stats.isSymbolicLink() ? linkTarget(root, path) : "",
    };
  } finally {
    close(fd);
  }
}

/** More than this the kernel would not follow either. */
const LINKS_MAX = 40;

/** Where a chain of symlinks ends inside the container, as an absolute path that need not exist. */
function linkTarget(root: number, path: string): string {
  let target = path;
  for (let links = 0; links < LINKS_MAX; links++) {
    let fd: number;
    try {
      fd = openInRoot(root, bytesOf(target), O.PATH | O.NOFOLLOW);
    } catch (error) {
      if (isMissing(error)) return target;
      throw error;
    }
    try {
      if (!fstatSync(fd).isSymbolicLink()) return target;
      const text = Buffer.from(readlinkAt(fd, ""), "latin1").toString("utf8");
      target = cleanPath(text.startsWith("/") ? text : posix.join(posix.dirname(target), text));
    } finally {
      close(fd);
    }
  }
  throw new FsError("open", path, ERRNO.ELOOP);
}
