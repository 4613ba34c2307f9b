/**
 * File system calls that `node:fs` lacks: everything relative to a directory descriptor, so that a path made by
 * somebody hostile is resolved by the kernel below one root and never by string handling here.
 *
 * Names are byte strings (latin1, one char per byte): tar archives and Linux do not promise UTF-8.
 * @source openat2(2), mknodat(2), fsetxattr(2)
 */

import type { Pointer } from "bun:ffi";
import { fstatSync } from "node:fs";
import { ERRNO, errnoMessage } from "./errno.ts";
import * as file from "./file.ts";
import { openLibc } from "./libc.ts";
import { FFIType, ptr, read } from "./native.ts";

const { i32, u32, u64, i64 } = FFIType;
const P = FFIType.ptr;

const SYMBOLS = {
  __errno_location: { args: [], returns: P },
  syscall: { args: [i64, i64, P, P, u64], returns: i64 },
  openat: { args: [i32, P, i32, u32], returns: i32 },
  close: { args: [i32], returns: i32 },
  mkdirat: { args: [i32, P, u32], returns: i32 },
  mknodat: { args: [i32, P, u32, u64], returns: i32 },
  symlinkat: { args: [P, i32, P], returns: i32 },
  linkat: { args: [i32, P, i32, P, i32], returns: i32 },
  unlinkat: { args: [i32, P, i32], returns: i32 },
  readlinkat: { args: [i32, P, P, u64], returns: i64 },
  fchown: { args: [i32, u32, u32], returns: i32 },
  fchownat: { args: [i32, P, u32, u32, i32], returns: i32 },
  fchmod: { args: [i32, u32], returns: i32 },
  fchmodat: { args: [i32, P, u32, i32], returns: i32 },
  utimensat: { args: [i32, P, P, i32], returns: i32 },
  futimens: { args: [i32, P], returns: i32 },
  fsetxattr: { args: [i32, P, P, u64, i32], returns: i32 },
  lsetxattr: { args: [P, P, P, u64, i32], returns: i32 },
  pwrite: { args: [i32, P, u64, i64], returns: i64 },
  ftruncate: { args: [i32, i64], returns: i32 },
} as const;

const c = openLibc(SYMBOLS).symbols;
const errnoAt = c.__errno_location() as Pointer;

export { ERRNO };

/** Short names for what these calls take; the numbers are file.ts's. */
export const O = {
  RDONLY: file.O.O_RDONLY,
  WRONLY: file.O.O_WRONLY,
  RDWR: file.O.O_RDWR,
  CREAT: file.O.O_CREAT,
  EXCL: file.O.O_EXCL,
  TRUNC: file.O.O_TRUNC,
  NONBLOCK: file.O.O_NONBLOCK,
  DIRECTORY: file.O.O_DIRECTORY,
  NOFOLLOW: file.O.O_NOFOLLOW,
  CLOEXEC: file.O.O_CLOEXEC,
  PATH: file.O.O_PATH,
};

export const AT = {
  FDCWD: file.AT.AT_FDCWD,
  SYMLINK_NOFOLLOW: file.AT.AT_SYMLINK_NOFOLLOW,
  REMOVEDIR: file.AT.AT_REMOVEDIR,
  EMPTY_PATH: file.AT.AT_EMPTY_PATH,
} as const;

export const S = {
  IFMT: file.S.S_IFMT,
  IFREG: file.S.S_IFREG,
  IFDIR: file.S.S_IFDIR,
  IFLNK: file.S.S_IFLNK,
  IFCHR: file.S.S_IFCHR,
  IFBLK: file.S.S_IFBLK,
  IFIFO: file.S.S_IFIFO,
} as const;

/** A failed call: which one, on what, and the kernel's number. */
export class FsError extends Error {
  override readonly name = "FsError";
  readonly call: string;
  readonly errno: number;

  constructor(call: string, path: string, errno: number) {
    super(`${call} ${Buffer.from(path, "latin1").toString("utf8")}: ${errnoMessage(errno)}`);
    this.call = call;
    this.errno = errno;
  }
}

// Two paths at most are on their way to the kernel at any time; PATH_MAX bounds each.
const PATH_MAX = 4096;
const slots = [Buffer.alloc(PATH_MAX + 1), Buffer.alloc(PATH_MAX + 1)] as const;
const slotPointers = [ptr(slots[0]), ptr(slots[1])] as const;

function path(bytes: string, slot: 0 | 1 = 0): Pointer {
  if (bytes.length > PATH_MAX) throw new FsError("resolve", `${bytes.slice(0, 64)}…`, ERRNO.ENAMETOOLONG);
  if (bytes.includes("\0")) throw new FsError("resolve", bytes, ERRNO.EINVAL);
  const end = slots[slot].write(bytes, "latin1");
  slots[slot][end] = 0;
  return slotPointers[slot];
}

function check(result: number | bigint, call: string, name: string): number {
  const value = Number(result);
  if (value < 0) throw new FsError(call, name, read.i32(errnoAt));
  return value;
}

// struct open_how { flags, mode, resolve }, 24 bytes on every architecture; openat2 is 437 on all of them.
const how = new BigUint64Array(3);
const howPointer = ptr(how);

/** How often a path with `..` is resolved anew while something is renamed or mounted on the machine. */
const RESOLUTIONS = 1000;

/** Opens below `dir` as if it were the root: `..`, absolute names and symlinks end inside. */
export function openInRoot(dir: number, name: string, flags: number, mode = 0): number {
  how[0] = BigInt(flags | file.O.O_CLOEXEC);
  how[1] = BigInt(mode);
  how[2] = BigInt(file.RESOLVE.RESOLVE_IN_ROOT | file.RESOLVE.RESOLVE_NO_MAGICLINKS);
  const pointer = path(name);
  let result: number | bigint = -1;
  for (let i = 0; i < RESOLUTIONS; i++) {
    result = c.syscall(437, dir, pointer, howPointer, 24);
    // The kernel cannot tell whether `..` has left the root: openat2(2), EAGAIN
    if (Number(result) >= 0 || read.i32(errnoAt) !== ERRNO.EAGAIN) break;
  }
  return check(result, "open", name);
}

/**
 * Opens what an O_PATH descriptor refers to for reading, if that is a regular file; else undefined. To open anything
 * else can do harm already: a device's driver may act on it (a watchdog, a tape), and a fifo would wait.
 */
export function openRegular(found: number): number | undefined {
  if (!fstatSync(found).isFile()) return undefined;
  const name = `/proc/self/fd/${found}`;
  return check(
    c.openat(file.AT.AT_FDCWD, path(name), file.O.O_RDONLY | file.O.O_NONBLOCK | file.O.O_CLOEXEC, 0),
    "open",
    name,
  );
}

/** Opens one component, never through a symlink. */
export function openAt(dir: number, name: string, flags: number, mode = 0): number {
  return check(c.openat(dir, path(name), flags | file.O.O_NOFOLLOW | file.O.O_CLOEXEC, mode), "open", name);
}

export const close = (fd: number): void => void c.close(fd);

export const mkdirAt = (dir: number, name: string, mode: number): number =>
  check(c.mkdirat(dir, path(name), mode), "mkdir", name);

/** `mode` carries the type; `device` is the kernel's own encoding, see `makedev`. */
export const mknodAt = (dir: number, name: string, mode: number, device: bigint): number =>
  check(c.mknodat(dir, path(name), mode, device), "mknod", name);

export const symlinkAt = (target: string, dir: number, name: string): number =>
  check(c.symlinkat(path(target, 1), dir, path(name)), "symlink", name);

/** A hard link; a symlink is linked itself, not followed. */
export const linkAt = (oldDir: number, oldName: string, dir: number, name: string): number =>
  check(c.linkat(oldDir, path(oldName, 1), dir, path(name), 0), "link", name);

export const unlinkAt = (dir: number, name: string, flags = 0): number =>
  check(c.unlinkat(dir, path(name), flags), "unlink", name);

const linkTarget = Buffer.alloc(PATH_MAX);

export function readlinkAt(dir: number, name: string): string {
  const length = check(c.readlinkat(dir, path(name), ptr(linkTarget), PATH_MAX), "readlink", name);
  return linkTarget.toString("latin1", 0, length);
}

export const fchown = (fd: number, uid: number, gid: number): number =>
  check(c.fchown(fd, uid, gid), "chown", `fd ${fd}`);

export const lchownAt = (dir: number, name: string, uid: number, gid: number): number =>
  check(c.fchownat(dir, path(name), uid, gid, file.AT.AT_SYMLINK_NOFOLLOW), "chown", name);

export const fchmod = (fd: number, mode: number): number => check(c.fchmod(fd, mode), "chmod", `fd ${fd}`);

/** Follows symlinks, so only for a name that this process made and knows to be none. */
export const chmodAt = (dir: number, name: string, mode: number): number =>
  check(c.fchmodat(dir, path(name), mode, 0), "chmod", name);

// struct timespec[2]: access time, then modification time.
const times = new BigInt64Array(4);
const timesPointer = ptr(times);

/** Nanoseconds since the epoch. */
function setTimes(mtime: bigint): void {
  let nanoseconds = mtime % 1_000_000_000n;
  if (nanoseconds < 0n) nanoseconds += 1_000_000_000n;
  times[0] = times[2] = (mtime - nanoseconds) / 1_000_000_000n;
  times[1] = times[3] = nanoseconds;
}

export function futimens(fd: number, mtime: bigint): void {
  setTimes(mtime);
  check(c.futimens(fd, timesPointer), "utimens", `fd ${fd}`);
}

export function lutimesAt(dir: number, name: string, mtime: bigint): void {
  setTimes(mtime);
  check(c.utimensat(dir, path(name), timesPointer, file.AT.AT_SYMLINK_NOFOLLOW), "utimens", name);
}

export const fsetxattr = (fd: number, key: string, value: Uint8Array): number =>
  check(
    c.fsetxattr(fd, path(key), value.length > 0 ? ptr(value) : null, value.length, 0),
    `setxattr ${key} on`,
    `fd ${fd}`,
  );

/** On a name that cannot be opened (device, fifo, symlink): by way of the directory's descriptor. */
export const lsetxattrAt = (dir: number, name: string, key: string, value: Uint8Array): number =>
  check(
    c.lsetxattr(
      path(`/proc/self/fd/${dir}/${name}`),
      path(key, 1),
      value.length > 0 ? ptr(value) : null,
      value.length,
      0,
    ),
    `setxattr ${key} on`,
    name,
  );

/** Writes all of `data` at `offset`. */
export function pwriteAll(fd: number, data: Uint8Array, offset: number): void {
  for (let done = 0; done < data.length; ) {
    done += check(c.pwrite(fd, ptr(data, done), data.length - done, offset + done), "write", `fd ${fd}`);
  }
}

export const ftruncate = (fd: number, size: number): number =>
  check(c.ftruncate(fd, size), "truncate", `fd ${fd}`);

/** The kernel's 64-bit encoding of a device number, as mknod(2) of glibc and musl take it. */
export function makedev(major: number, minor: number): bigint {
  const [a, i] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((i & 0xffffff00n) << 12n) | (i & 0xffn);
}
