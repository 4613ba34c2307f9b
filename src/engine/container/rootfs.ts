/**
 * A container's root file system as the engine sees it from outside. Everything in it is the container's to change,
 * while we look too: paths are resolved by the kernel below a descriptor of the root, never as paths of the host.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { mountOverlay, xattrOf } from "../../ffi/detached.ts";
import { close, ERRNO, FsError, O, openAt, openInRoot, openRegular } from "../../ffi/fs.ts";
import { forgetVolatile } from "../runtime/overlay.ts";
import type { Rootfs } from "../shim/types.ts";
import { isProcessOf } from "./process.ts";

/** Bigger than any real passwd or group file: this is read into memory. */
const MAX_FILE = 16 * 1024 * 1024;

/** A descriptor of a directory of the host. */
export function openDirectory(path: string): number {
  return openSync(path, O.PATH | constants.O_DIRECTORY);
}

/** The root of a container that does not run; the caller closes the descriptor. */
export function openStoppedRoot(rootfs: Rootfs): number {
  if (rootfs.kind === "path") return openDirectory(rootfs.path);
  forgetVolatile(rootfs);
  return mountOverlay(rootfs);
}

/**
 * The root of a container that is removed at its end, mounted so that nothing of it is ever written back for its own
 * sake: unmounting an overlay flushes the whole file system that its upper directory is on, with all that anybody has
 * written there, and the container's first process is not ended before that is done. What a power failure takes of
 * it would be removed anyway, as the container is at the next start of the daemon.
 * @source kernel Documentation/filesystems/overlayfs.rst, "Volatile mount"
 */
export function unsynced(rootfs: Rootfs): Rootfs {
  if (rootfs.kind === "path") return rootfs;
  return { ...rootfs, options: [...(rootfs.options ?? []), "volatile"] };
}

/** By this file programs tell that they are in a container. The layer is new: nobody else has been there. */
export function markAsContainer(rootfs: Rootfs): void {
  const top = rootfs.kind === "overlay" ? rootfs.upper : rootfs.path;
  closeSync(openSync(`${top}/.dockerenv`, "a", 0o755));
}

/**
 * The root of a running one, as its first process has it: with all of the container's mounts. What that process
 * made of its root (chroot) is only ever its own container's. Undefined when the process has ended.
 */
export function openRunningRoot(pid: number, id: string): number | undefined {
  let root: number;
  try {
    root = openDirectory(`/proc/${pid}/root`);
  } catch {
    return undefined;
  }
  if (isProcessOf(pid, id)) return root;
  close(root);
  return undefined;
}

/** A small file below `root`; "" when it is missing or no regular file. */
function readBelow(root: number, path: string): string {
  let fd: number | undefined;
  try {
    const found = openInRoot(root, path, O.PATH);
    try {
      fd = openRegular(found);
    } finally {
      close(found);
    }
  } catch (error) {
    if (error instanceof FsError && [ERRNO.ENOENT, ERRNO.ENOTDIR, ERRNO.ELOOP].includes(error.errno as 2))
      return "";
    throw error;
  }
  if (fd === undefined) return "";
  try {
    const stats = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(stats.size, MAX_FILE));
    let at = 0;
    for (let got = 1; got > 0 && at < bytes.length; at += got)
      got = readSync(fd, bytes, at, bytes.length - at, at);
    return bytes.toString("utf8", 0, at);
  } finally {
    close(fd);
  }
}

type Looked = { found: string } | "here, not" | "below" | "unsure";

/** What one layer alone says of `folder/file`. */
function lookIn(layer: number, folder: string, file: string): Looked {
  const isWhiteout = (fd: number): boolean => {
    const stats = fstatSync(fd);
    return stats.isCharacterDevice() && stats.rdev === 0;
  };
  let dir: number;
  try {
    dir = openAt(layer, folder, O.PATH);
  } catch (error) {
    if (error instanceof FsError && error.errno === ERRNO.ENOENT) return "below";
    throw error;
  }
  try {
    if (isWhiteout(dir)) return "here, not";
    if (!fstatSync(dir).isDirectory()) return "unsure";
    let fd: number;
    try {
      fd = openAt(dir, file, O.PATH);
    } catch (error) {
      if (!(error instanceof FsError) || error.errno !== ERRNO.ENOENT) throw error;
      return xattrOf(dir, "trusted.overlay.opaque") === undefined ? "below" : "here, not";
    }
    try {
      if (isWhiteout(fd)) return "here, not";
      return fstatSync(fd).isFile() ? { found: readBelow(dir, file) } : "unsure";
    } finally {
      close(fd);
    }
  } finally {
    close(dir);
  }
}

/** What layers say of a file below /etc together, the top one first. */
function lookThrough(layers: readonly string[], file: string): Looked {
  for (const layer of layers) {
    const fd = openDirectory(layer);
    try {
      const looked = lookIn(fd, "etc", file);
      if (looked !== "below") return looked;
    } finally {
      closeSync(fd);
    }
  }
  return "below";
}

const REMEMBERED_MAX = 256;
const REMEMBERED_LENGTH = 16 * 1024;

/** What images' layers say: they never change, and no folder's name comes back. */
export class ImageEtc {
  readonly #known = new Map<string, Looked>();

  look(lower: readonly string[], file: string): Looked {
    const key = `${file} ${lower.join(":")}`;
    let looked = this.#known.get(key);
    if (looked !== undefined) return looked;
    looked = lookThrough(lower, file);
    if (typeof looked === "object" && looked.found.length > REMEMBERED_LENGTH) return looked;
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    this.#known.set(key, looked);
    return looked;
  }
}

interface ReadEtcOptions {
  images?: ImageEtc;
  /** Nobody has been in its writable layer yet. */
  isNew?: boolean;
}

/** Reads /etc/passwd or /etc/group: out of the layers where that is plain, else through a mount. */
export function readEtc(
  rootfs: Rootfs,
  path: "/etc/passwd" | "/etc/group",
  { images = new ImageEtc(), isNew = false }: ReadEtcOptions = {},
): string {
  const file = path.slice("/etc/".length);
  let looked: Looked;
  if (rootfs.kind === "path") looked = lookThrough([rootfs.path], file);
  else {
    looked = isNew ? "below" : lookThrough([rootfs.upper], file);
    if (looked === "below") looked = images.look(rootfs.lower, file);
  }
  if (typeof looked === "object") return looked.found;
  if (looked !== "unsure") return "";
  const root = openStoppedRoot(rootfs);
  try {
    return readBelow(root, path);
  } finally {
    close(root);
  }
}
