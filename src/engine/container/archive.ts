/**
 * `docker cp`: what is at a path of a container, out of it and into it. Every path is resolved by the kernel below
 * the container's root, which may be changing (CVE-2018-15664), and no program or library of the container's is
 * loaded (CVE-2019-14271).
 */
import { fstatSync, statSync } from "node:fs";
import { posix } from "node:path";
import { close, ERRNO, FsError, O, openInRoot, readlinkAt } from "../../ffi/fs.ts";
import { TarError } from "../archive/entry.ts";
import { extract as unpack } from "../archive/extract.ts";
import { TarReader } from "../archive/read.ts";
import { EngineError } from "../errors.ts";
import type { ByteStream, PathStat } from "../services.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit } from "./context.ts";
import { decompressed } from "./decompress.ts";
import { cleanPath, type MountPoint } from "./mount-points.ts";
import { pack, packOne, packRoot } from "./pack.ts";
import { openDirectory, openRunningRoot, openStoppedRoot, readEtc } from "./rootfs.ts";
import { isRunning } from "./state.ts";
import { resolveUser } from "./user.ts";

/** Go's os.FileMode bits beyond the permissions. */
const MODE = {
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
interface Place {
  root: number;
  path: string;
}

/** Paths are bytes to the kernel; latin1 strings carry them. */
const bytes = (path: string): string => Buffer.from(path, "utf8").toString("latin1");

/** The deepest mount of the container that a path lies in. */
function mountOf(container: Container, path: string): MountPoint | undefined {
  return container.record.mounts
    .filter(
      ({ destination }) =>
        path === destination || path.startsWith(`${destination === "/" ? "" : destination}/`),
    )
    .sort((a, b) => b.destination.length - a.destination.length)[0];
}

/**
 * Opens where a path begins. A container that does not run has no mounts of its own, so its volumes and binds are
 * entered by their place on the host; a tmpfs is empty then.
 */
function open(ctx: ContainerContext, container: Container, path: string): Place {
  const absolute = cleanPath(`/${path}`);
  if (isRunning(container.state))
    return { root: openRunningRoot(container.state.pid, container.id), path: absolute };
  const mount = mountOf(container, absolute);
  if (
    mount !== undefined &&
    mount.type !== "tmpfs" &&
    statSync(mount.source, { throwIfNoEntry: false })?.isDirectory()
  ) {
    return { root: openDirectory(mount.source), path: `/${absolute.slice(mount.destination.length)}` };
  }
  return { root: openStoppedRoot(ctx.images.rootfs(container.id)), path: absolute };
}

const isMissing = (error: unknown): boolean =>
  error instanceof FsError && (error.errno === ERRNO.ENOENT || error.errno === ERRNO.ENOTDIR);

/** Runs `look` with the root open, and gives failures their status. */
async function within<T>(
  ctx: ContainerContext,
  name: string,
  path: string,
  look: (container: Container, place: Place) => T | Promise<T>,
): Promise<T> {
  const container = ctx.store.find(name);
  // The layer of one that does not run is mounted here: its start, which mounts it too, has to wait.
  if (!isRunning(container.state)) return container.exclusive(() => enter(ctx, container, name, path, look));
  return enter(ctx, container, name, path, look);
}

async function enter<T>(
  ctx: ContainerContext,
  container: Container,
  name: string,
  path: string,
  look: (container: Container, place: Place) => T | Promise<T>,
): Promise<T> {
  const place = open(ctx, container, path);
  try {
    return await look(container, place);
  } catch (error) {
    if (isMissing(error)) {
      throw new EngineError("notFound", `Could not find the file ${path} in container ${name}`, {
        cause: error,
      });
    }
    if (error instanceof EngineError) throw error;
    throw new EngineError("internal", (error as Error).message, { cause: error });
  } finally {
    close(place.root);
  }
}

function goMode(stats: {
  mode: number;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}): number {
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

function statOf({ root, path }: Place, asked: string): PathStat {
  const follow = asksForFolder(asked) && path !== "/";
  const fd = openInRoot(root, bytes(path), follow ? O.PATH | O.DIRECTORY : O.PATH | O.NOFOLLOW);
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
      fd = openInRoot(root, bytes(target), O.PATH | O.NOFOLLOW);
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

export function statPath(ctx: ContainerContext, name: string, path: string): Promise<PathStat> {
  return within(ctx, name, path, (_, place) => statOf(place, path));
}

/** The folder's own descriptor must outlive the call: the stream closes it. */
async function* closing(fd: number, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } finally {
    close(fd);
  }
}

/** What the kernel makes up is no file to be copied, and reading it fails or never ends. */
const KERNEL_FOLDERS = ["/proc", "/sys", "/dev"];

/** Those of a root that are not the user's own mounts, by their names below `top`. */
function kernelFolders({ record }: Container, path: string, top: string): ReadonlySet<string> {
  if (path !== "/") return new Set();
  const own = record.mounts.map(({ destination }) => destination);
  return new Set(KERNEL_FOLDERS.filter((folder) => !own.includes(folder)).map((folder) => top + folder));
}

export function archive(
  ctx: ContainerContext,
  name: string,
  path: string,
): Promise<{ stat: PathStat; content: ByteStream }> {
  return within(ctx, name, path, (container, place) => {
    const stat = statOf(place, path);
    const isFolder = stat.mode >= MODE.dir;
    const leaf = posix.basename(place.path);
    // Entries are named after the last word of the path asked for; of a folder's `.`, after nothing.
    // The client puts a folder of its own in the place of this word; of the root's, before the slash.
    const last = path.endsWith("/.") ? "." : posix.basename(cleanPath(`/${path}`));
    const top = place.path === "/" && last !== "." ? "" : last;
    let content: ByteStream;
    if (isFolder) {
      const fd = openInRoot(place.root, bytes(place.path), O.RDONLY | O.DIRECTORY);
      content = closing(fd, pack(fd, bytes(top), kernelFolders(container, place.path, top)));
    } else {
      const fd = openInRoot(place.root, bytes(posix.dirname(place.path)), O.PATH | O.DIRECTORY);
      content = closing(fd, packOne(fd, bytes(leaf), bytes(top)));
    }
    emit(ctx, container, "archive-path");
    return { stat, content };
  });
}

function requireWritable(container: Container, path: string): void {
  const mount = mountOf(container, path);
  if (mount !== undefined) {
    if (!mount.rw) throw new EngineError("invalid", "mounted volume is marked read-only");
  } else if (container.record.hostConfig.ReadonlyRootfs) {
    throw new EngineError("invalid", "container rootfs is marked read-only");
  }
}

function ownerOf(ctx: ContainerContext, container: Container): { uid: number; gid: number } {
  const rootfs = ctx.images.rootfs(container.id);
  const { uid, gid } = resolveUser(container.record.config.User, [], (file) => readEtc(rootfs, file));
  return { uid, gid };
}

export function extract(
  ctx: ContainerContext,
  name: string,
  path: string,
  body: ReadableStream<Uint8Array>,
  options: { noOverwriteDirNonDir: boolean; copyUidGid: boolean },
): Promise<void> {
  return within(ctx, name, path, async (container, { root, path: below }) => {
    const target = openInRoot(root, bytes(below), O.PATH);
    try {
      if (!fstatSync(target).isDirectory())
        throw new EngineError("invalid", "extraction point is not a directory");
      requireWritable(container, cleanPath(`/${path}`));
      const owner = options.copyUidGid ? ownerOf(ctx, container) : undefined;
      await unpack(new TarReader(decompressed(body)), target, {
        owner,
        keepKinds: options.noOverwriteDirNonDir,
      });
    } catch (error) {
      if (error instanceof TarError) throw new EngineError("internal", error.message, { cause: error });
      throw error;
    } finally {
      close(target);
    }
    emit(ctx, container, "extract-to-dir");
  });
}

/** What every container gets of its own. */
const MOUNTED_FILES = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/** The whole file system of a container as one archive. */
export function exportRoot(ctx: ContainerContext, name: string): Promise<ByteStream> {
  return within(ctx, name, "/", (container, { root }) => {
    const fd = openInRoot(root, "/", O.RDONLY | O.DIRECTORY);
    emit(ctx, container, "export");
    // Of one that runs everything mounted is seen here; docker exports what lies beneath.
    const covered = [...MOUNTED_FILES, ...container.record.mounts.map(({ destination }) => destination)];
    return closing(fd, packRoot(fd, new Set(covered.map((path) => bytes(path.slice(1))))));
  });
}
