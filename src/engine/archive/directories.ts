/** Descriptors of the directories below one root, opened once each and always by the kernel's own resolution. */
import { fstatSync } from "node:fs";
import { close, ERRNO, FsError, mkdirAt, O, openAt, openInRoot, readlinkAt } from "../../ffi/fs.ts";

const KEPT = 64;
const LINKS_MAX = 40;

/**
 * A name from an archive as a path below the root, without `.`, `..` and empty parts: `..` stops at the root, as it
 * does for a process whose root it is.
 */
export function clean(name: string): string {
  if (!name.includes("/") && name !== "." && name !== "..") return name;
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));
export const leafOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export class Directories {
  readonly root: number;
  /** Oldest first. */
  readonly #open = new Map<string, number>();
  readonly #onMade: (path: string) => void;

  /** `root` stays the caller's; `onMade` hears of each directory that had to be made on the way. */
  constructor(root: number, onMade: (path: string) => void = () => {}) {
    this.root = root;
    this.#onMade = onMade;
  }

  /** The directory at a cleaned path, made with its parents if missing. The descriptor stays ours. */
  at(path: string): number {
    if (path === "") return this.root;
    const kept = this.#open.get(path);
    if (kept !== undefined) return kept;
    return this.#keep(path, this.#resolve(path, 0));
  }

  /** Like `at`, but throws ENOENT instead of making anything. */
  existing(path: string): number {
    if (path === "") return this.root;
    const kept = this.#open.get(path);
    return kept ?? this.#keep(path, openInRoot(this.root, path, O.PATH | O.DIRECTORY));
  }

  /** Gives a directory just made or opened to the cache, which closes it. */
  adopt(path: string, fd: number): void {
    const kept = this.#open.get(path);
    if (kept !== undefined) close(kept);
    this.#open.delete(path);
    this.#keep(path, fd);
  }

  /** Something that may have been on a path is another thing now. */
  forget(): void {
    for (const fd of this.#open.values()) close(fd);
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.forget();
  }

  #keep(path: string, fd: number): number {
    if (this.#open.size >= KEPT) {
      const [oldest, oldestFd] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      close(oldestFd);
    }
    this.#open.set(path, fd);
    return fd;
  }

  #resolve(path: string, links: number): number {
    try {
      return openInRoot(this.root, path, O.PATH | O.DIRECTORY);
    } catch (error) {
      if (!(error instanceof FsError) || error.errno !== ERRNO.ENOENT) throw error;
    }
    if (links > LINKS_MAX) throw new FsError("open", path, ERRNO.ELOOP);
    const parent = this.at(parentOf(path));
    const leaf = leafOf(path);
    try {
      mkdirAt(parent, leaf, 0o755);
    } catch (error) {
      if (!(error instanceof FsError) || error.errno !== ERRNO.EEXIST) throw error;
      // A symlink whose target is missing: that is made, wherever below the root it is.
      const target = readlinkAt(this.at(parentOf(path)), leaf);
      const real = clean(target.startsWith("/") ? target : `${parentOf(path)}/${target}`);
      return real === "" ? openInRoot(this.root, ".", O.PATH | O.DIRECTORY) : this.#resolve(real, links + 1);
    }
    this.#onMade(path);
    return openAt(this.at(parentOf(path)), leaf, O.PATH | O.DIRECTORY);
  }
}

/** A directory takes the owner, mode and time of its namesake in the nearest lower layer, if one has it. */
export function likeLower(
  root: number,
  path: string,
  lowers: readonly number[],
  apply: LowerAttributes,
): void {
  for (const lower of lowers) {
    let fd: number;
    try {
      fd = openInRoot(lower, path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
    } catch {
      continue;
    }
    try {
      const { mode, uid, gid, mtimeNs } = fstatSync(fd, { bigint: true });
      const own = openInRoot(root, path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
      try {
        apply(own, { mode: Number(mode) & 0o7777, uid: Number(uid), gid: Number(gid), mtime: mtimeNs });
      } finally {
        close(own);
      }
    } finally {
      close(fd);
    }
    return;
  }
}

export type LowerAttributes = (
  fd: number,
  attributes: { mode: number; uid: number; gid: number; mtime: bigint },
) => void;
