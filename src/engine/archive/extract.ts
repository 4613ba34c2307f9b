/**
 * Unpacks a tar archive below a directory descriptor, as root, from hostile hands. Two rules keep it inside: a
 * parent is always resolved by openat2(RESOLVE_IN_ROOT), and the last component is never followed.
 *
 * Whiteouts become overlayfs's own marks, so that a layer's directory can be a lower directory as it is.
 * @source OCI image-spec, layer.md; kernel Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"
 */
import { readdirSync } from "node:fs";
import {
  AT,
  chmodAt,
  close,
  ERRNO,
  FsError,
  fchmod,
  fchown,
  fsetxattr,
  ftruncate,
  futimens,
  lchownAt,
  linkAt,
  lsetxattrAt,
  lutimesAt,
  makedev,
  mkdirAt,
  mknodAt,
  O,
  openAt,
  openInRoot,
  pwriteAll,
  S,
  symlinkAt,
  unlinkAt,
} from "../../ffi/fs.ts";
import { statusOf } from "../../ffi/host.ts";
import { clean, Directories, leafOf, parentOf } from "./directories.ts";
import { type Segment, type TarEntry, TarError } from "./entry.ts";
import type { TarReader } from "./read.ts";

export interface ExtractOptions {
  /** Turn `.wh.` files into overlayfs marks; otherwise they are files like any other. */
  whiteouts?: boolean;
  /** Path below the root that names in the archive are relative to. */
  base?: string;
  /** Owner of everything, instead of the archive's. */
  owner?: { uid: number; gid: number };
  /** Refuse to put a file where a directory is, and the reverse (`docker cp`). */
  keepKinds?: boolean;
  /** Into a container (`docker cp`). */
  container?: ContainerPlace;
  /** An archive of more entries than this is an attack on the file system's inodes. */
  maxEntries?: number;
}

/** What has a mount of its own stays: to remove that name would take the mount from the container, silently. */
export interface ContainerPlace {
  /** Where the root of the extraction lies in the container; errors name what they are about by it. */
  path: string;
  /** Paths of the container that something is to be mounted on when it runs. */
  covered: readonly string[];
}

export interface Extracted {
  /** Bytes that the files take on disk, in whole 4096-byte blocks. */
  size: number;
  /** Directories that the archive used and never described, parents first. */
  implied: string[];
}

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
const DISK_BLOCK = 4096;
/** A distribution has some hundreds of device nodes at most. */
const MAX_DEVICES = 16_384;

export async function extract(
  tar: TarReader,
  root: number,
  options: ExtractOptions = {},
): Promise<Extracted> {
  using extraction = new Extraction(root, options);
  for (let entry = await tar.next(); entry !== undefined; entry = await tar.next()) {
    await extraction.place(entry, tar);
  }
  return extraction.finish();
}

class Extraction {
  readonly #options: ExtractOptions;
  readonly #base: string;
  readonly #dirs: Directories;
  readonly #implied = new Set<string>();
  /** Set last: every file put into a directory changes its time. */
  readonly #times = new Map<string, bigint>();
  #size = DISK_BLOCK;
  #entries = 0;
  #devices = 0;

  constructor(root: number, options: ExtractOptions) {
    this.#options = options;
    this.#base = clean(options.base ?? "");
    this.#dirs = new Directories(root, (path) => {
      this.#implied.add(path);
      this.#size += DISK_BLOCK;
    });
  }

  [Symbol.dispose](): void {
    this.#dirs[Symbol.dispose]();
  }

  async place(entry: TarEntry, tar: TarReader): Promise<void> {
    if (++this.#entries > (this.#options.maxEntries ?? Number.POSITIVE_INFINITY)) {
      throw new TarError(`archive has more than ${this.#options.maxEntries} entries`);
    }
    const name = clean(entry.name);
    const path = this.#base === "" || name === "" ? this.#base + name : `${this.#base}/${name}`;
    if (this.#options.whiteouts && leafOf(name).startsWith(WHITEOUT)) return this.#whiteout(path, entry);
    if (name === "") {
      if (entry.type !== "dir") throw new TarError(`${entry.type} in place of the root directory`);
      if (this.#base === "")
        return this.#directoryAttributes("", openInRoot(this.#dirs.root, ".", O.RDONLY), entry);
    }
    try {
      await this.#make(path, entry, tar);
    } catch (error) {
      // Its descriptor's name for it tells nobody where it is.
      if (error instanceof FsError && this.#options.container)
        throw new FsError(error.call, this.#inContainer(path), error.errno);
      throw error;
    }
  }

  async #make(path: string, entry: TarEntry, tar: TarReader): Promise<void> {
    switch (entry.type) {
      case "dir":
        return this.#directory(path, entry);
      case "file":
        return await this.#file(path, entry, tar);
      case "link":
        return this.#link(path, entry);
      case "symlink":
      case "char":
      case "block":
      case "fifo":
        return this.#special(path, entry);
    }
  }

  finish(): Extracted {
    for (const [path, mtime] of this.#times) {
      try {
        const fd = openInRoot(this.#dirs.root, path === "" ? "." : path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
        try {
          futimens(fd, mtime);
        } finally {
          close(fd);
        }
      } catch (error) {
        // Replaced by something else meanwhile, which has its own time.
        if (!(error instanceof FsError)) throw error;
      }
    }
    return { size: this.#size, implied: [...this.#implied] };
  }

  /** Runs `make`; when something is there already, removes it and runs `make` again. */
  #replacing<T>(path: string, kind: "dir" | "other", make: (dir: number, leaf: string) => T): T {
    const leaf = leafOf(path);
    try {
      return make(this.#dirs.at(parentOf(path)), leaf);
    } catch (error) {
      if (!(error instanceof FsError) || error.errno !== ERRNO.EEXIST) throw error;
    }
    this.#remove(path, leaf, kind);
    return make(this.#dirs.at(parentOf(path)), leaf);
  }

  #inContainer(path: string): string {
    return `/${clean(`${this.#options.container?.path}/${path}`)}`;
  }

  /**
   * The kernel itself refuses to remove a mount point only where it is one of the caller's own namespace; elsewhere it
   * unmounts what is there.
   * @source kernel fs/namei.c, vfs_unlink: is_local_mountpoint, detach_mounts
   */
  #requireUnmounted(path: string, dir: number, leaf: string): void {
    const { container, keepKinds } = this.#options;
    if (!container) return;
    const fd = openAt(dir, leaf, O.PATH);
    try {
      const { isMountRoot, mode } = statusOf(fd);
      // That it is a folder is the better reason.
      if (keepKinds && (mode & S.IFMT) === S.IFDIR) return;
      if (isMountRoot || container.covered.includes(this.#inContainer(path)))
        throw new FsError("unlinkat", path, ERRNO.EBUSY);
    } finally {
      close(fd);
    }
  }

  #remove(path: string, leaf: string, replacement: "dir" | "other"): void {
    const dir = this.#dirs.at(parentOf(path));
    this.#requireUnmounted(path, dir, leaf);
    try {
      unlinkAt(dir, leaf);
    } catch (error) {
      if (!(error instanceof FsError) || (error.errno !== ERRNO.EISDIR && error.errno !== ERRNO.EPERM))
        throw error;
      if (this.#options.keepKinds) {
        throw new TarError(`cannot overwrite directory "/${path}" with non-directory "/${path}"`);
      }
      removeTree(dir, leaf);
      for (const implied of this.#implied) {
        if (implied === path || implied.startsWith(`${path}/`)) this.#implied.delete(implied);
      }
    }
    if (this.#options.keepKinds && replacement === "dir") {
      throw new TarError(`cannot overwrite non-directory "/${path}" with directory "/${path}"`);
    }
    // What was removed may have been a directory or a symlink on the way to one.
    this.#dirs.forget();
  }

  #owner(entry: TarEntry): { uid: number; gid: number } {
    return this.#options.owner ?? entry;
  }

  #directory(path: string, entry: TarEntry): void {
    const flags = O.RDONLY | O.DIRECTORY;
    const dir = this.#dirs.at(parentOf(path));
    const leaf = leafOf(path);
    let fd: number;
    try {
      mkdirAt(dir, leaf, 0o700);
      this.#size += DISK_BLOCK;
      fd = openAt(dir, leaf, flags);
    } catch (error) {
      if (!(error instanceof FsError) || error.errno !== ERRNO.EEXIST) throw error;
      try {
        fd = openAt(dir, leaf, flags);
      } catch (refused) {
        if (!(refused instanceof FsError)) throw refused;
        if (this.#options.keepKinds) {
          throw new TarError(`cannot overwrite non-directory "/${path}" with directory "/${path}"`);
        }
        fd = this.#replacing(path, "dir", (parent, name) => {
          mkdirAt(parent, name, 0o700);
          return openAt(parent, name, flags);
        });
        this.#size += DISK_BLOCK;
      }
    }
    this.#directoryAttributes(path, fd, entry);
  }

  /** Takes over `fd`. */
  #directoryAttributes(path: string, fd: number, entry: TarEntry): void {
    try {
      const { uid, gid } = this.#owner(entry);
      fchown(fd, uid, gid);
      fchmod(fd, entry.mode);
      for (const [key, value] of entry.xattrs ?? []) setxattr(entry, key, () => fsetxattr(fd, key, value));
    } catch (error) {
      close(fd);
      throw error;
    }
    this.#implied.delete(path);
    this.#times.set(path, entry.mtime);
    if (path === "") close(fd);
    else this.#dirs.adopt(path, fd);
  }

  async #file(path: string, entry: TarEntry, tar: TarReader): Promise<void> {
    const fd = this.#replacing(path, "other", (dir, leaf) =>
      openAt(dir, leaf, O.CREAT | O.EXCL | O.WRONLY, 0o600),
    );
    try {
      await writeFile(fd, entry, tar);
      // In this order: a change of owner clears setuid and capabilities.
      const { uid, gid } = this.#owner(entry);
      fchown(fd, uid, gid);
      fchmod(fd, entry.mode);
      for (const [key, value] of entry.xattrs ?? []) setxattr(entry, key, () => fsetxattr(fd, key, value));
      futimens(fd, entry.mtime);
    } finally {
      close(fd);
    }
    const stored = entry.sparse?.reduce((sum, { length }) => sum + length, 0) ?? entry.size;
    this.#size += Math.ceil(stored / DISK_BLOCK) * DISK_BLOCK;
  }

  #link(path: string, entry: TarEntry): void {
    const target = clean(this.#base === "" ? entry.linkname : `${this.#base}/${clean(entry.linkname)}`);
    // A link to itself would remove its own target first.
    if (target === path) throw new TarError(`hard link ${printable(path)} to itself`);
    try {
      this.#replacing(path, "other", (dir, leaf) => {
        linkAt(this.#dirs.existing(parentOf(target)), leafOf(target), dir, leaf);
      });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      throw new TarError(`hard link ${printable(path)} to ${printable(target)}: ${error.message}`);
    }
  }

  #special(path: string, entry: TarEntry): void {
    const { type } = entry;
    if ((type === "char" || type === "block") && ++this.#devices > MAX_DEVICES) {
      throw new TarError(`archive has more than ${MAX_DEVICES} device nodes`);
    }
    this.#replacing(path, "other", (dir, leaf) => {
      if (type === "symlink") symlinkAt(entry.linkname, dir, leaf);
      else if (type === "fifo") mknodAt(dir, leaf, S.IFIFO | 0o600, 0n);
      else {
        mknodAt(dir, leaf, (type === "char" ? S.IFCHR : S.IFBLK) | 0o600, makedev(entry.major, entry.minor));
      }
    });
    const dir = this.#dirs.at(parentOf(path));
    const leaf = leafOf(path);
    const { uid, gid } = this.#owner(entry);
    lchownAt(dir, leaf, uid, gid);
    if (type !== "symlink") chmodSpecial(dir, leaf, entry.mode);
    for (const [key, value] of entry.xattrs ?? [])
      setxattr(entry, key, () => lsetxattrAt(dir, leaf, key, value));
    lutimesAt(dir, leaf, entry.mtime);
  }

  #whiteout(path: string, entry: TarEntry): void {
    const leaf = leafOf(path);
    const dir = this.#dirs.at(parentOf(path));
    if (leaf === OPAQUE) {
      const fd = openInRoot(this.#dirs.root, parentOf(path) || ".", O.RDONLY | O.DIRECTORY);
      try {
        fsetxattr(fd, "trusted.overlay.opaque", Buffer.from("y"));
      } finally {
        close(fd);
      }
      return;
    }
    // AUFS's own bookkeeping.
    if (leaf.startsWith(".wh..wh.")) return;
    const hidden = leaf.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..") {
      throw new TarError(`invalid whiteout name: ${printable(leaf)}`);
    }
    try {
      mknodAt(dir, hidden, S.IFCHR, 0n);
      lutimesAt(dir, hidden, entry.mtime);
    } catch (error) {
      // It hides what lower layers have; what this layer has itself stays.
      if (!(error instanceof FsError) || error.errno !== ERRNO.EEXIST) throw error;
    }
  }
}

async function writeFile(fd: number, entry: TarEntry, tar: TarReader): Promise<void> {
  const segments: readonly Segment[] = entry.sparse ?? [{ offset: 0, length: entry.size }];
  let index = 0;
  let within = 0;
  for (let chunk = await tar.read(); chunk !== undefined; chunk = await tar.read()) {
    for (let at = 0; at < chunk.length; ) {
      while (within === segments[index]!.length) {
        index++;
        within = 0;
      }
      const segment = segments[index]!;
      const length = Math.min(chunk.length - at, segment.length - within);
      pwriteAll(fd, chunk.subarray(at, at + length), segment.offset + within);
      at += length;
      within += length;
    }
  }
  if (entry.sparse !== undefined) ftruncate(fd, entry.size);
}

/**
 * Attributes that a file system has no room for are left out, as containerd does; overlayfs's own are never taken
 * from an archive, which could redirect a directory into another one of a lower layer.
 */
function setxattr(entry: TarEntry, key: string, set: () => void): void {
  if (key.startsWith("trusted.overlay.") || key.startsWith("user.overlay.")) return;
  try {
    set();
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    if (error.errno === ERRNO.EOPNOTSUPP) return;
    if (
      error.errno === ERRNO.EPERM &&
      key.startsWith("user.") &&
      entry.type !== "file" &&
      entry.type !== "dir"
    )
      return;
    throw error;
  }
}

/** By descriptor: fchmodat(2) by name would follow a symlink that a running container put there just now. */
function chmodSpecial(dir: number, leaf: string, mode: number): void {
  const fd = openAt(dir, leaf, O.PATH);
  try {
    chmodAt(AT.FDCWD, `/proc/self/fd/${fd}`, mode);
  } finally {
    close(fd);
  }
}

/** Removes a directory with all that is in it, never leaving it through a symlink. */
export function removeTree(dir: number, leaf: string): void {
  const fd = openAt(dir, leaf, O.RDONLY | O.DIRECTORY);
  try {
    for (const name of readdirSync(`/proc/self/fd/${fd}`, { encoding: "latin1" as BufferEncoding })) {
      try {
        unlinkAt(fd, name);
      } catch (error) {
        if (!(error instanceof FsError) || (error.errno !== ERRNO.EISDIR && error.errno !== ERRNO.EPERM))
          throw error;
        removeTree(fd, name);
      }
    }
  } finally {
    close(fd);
  }
  unlinkAt(dir, leaf, AT.REMOVEDIR);
}

const printable = (bytes: string): string => JSON.stringify(Buffer.from(bytes, "latin1").toString("utf8"));
