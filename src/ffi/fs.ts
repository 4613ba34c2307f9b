/**
 * File system calls that `node:fs` lacks: everything relative to a directory descriptor, so that a path made by
 * somebody hostile is resolved by the kernel below one root and never by string handling here.
 *
 * Names are byte strings (latin1, one char per byte): tar archives and Linux do not promise UTF-8.
 * @source openat2(2), mknodat(2), fsetxattr(2)
 */
import { dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi";

const LIBC = process.arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";
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

function open() {
  try {
    return dlopen("libc.so.6", SYMBOLS);
  } catch {
    return dlopen(LIBC, SYMBOLS);
  }
}

const c = open().symbols;
const errnoAt = c.__errno_location() as Pointer;

export const AT = { FDCWD: -100, SYMLINK_NOFOLLOW: 0x100, REMOVEDIR: 0x200, EMPTY_PATH: 0x1000 } as const;

const arm = process.arch === "arm64";
/** fcntl.h; four of these differ between the architectures. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  NONBLOCK: 0o4000,
  DIRECTORY: arm ? 0o40000 : 0o200000,
  NOFOLLOW: arm ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

export const S = {
  IFMT: 0o170000,
  IFREG: 0o100000,
  IFDIR: 0o040000,
  IFLNK: 0o120000,
  IFCHR: 0o020000,
  IFBLK: 0o060000,
  IFIFO: 0o010000,
} as const;

/** openat2.h */
export const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;

export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EEXIST: 17,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOSPC: 28,
  ELOOP: 40,
  ENODATA: 61,
  EOPNOTSUPP: 95,
} as const;

const TEXT: Record<number, string> = {
  1: "operation not permitted",
  2: "no such file or directory",
  5: "input/output error",
  13: "permission denied",
  17: "file exists",
  18: "invalid cross-device link",
  20: "not a directory",
  21: "is a directory",
  22: "invalid argument",
  24: "too many open files",
  27: "file too large",
  28: "no space left on device",
  30: "read-only file system",
  31: "too many links",
  36: "file name too long",
  39: "directory not empty",
  40: "too many levels of symbolic links",
  95: "operation not supported",
  122: "disk quota exceeded",
};

/** A failed call: which one, on what, and the kernel's number. */
export class FsError extends Error {
  override readonly name = "FsError";
  readonly errno: number;

  constructor(call: string, path: string, errno: number) {
    super(`${call} ${Buffer.from(path, "latin1").toString("utf8")}: ${TEXT[errno] ?? `errno ${errno}`}`);
    this.errno = errno;
  }
}

// Two paths at most are on their way to the kernel at any time; PATH_MAX bounds each.
const PATH_MAX = 4096;
const slots = [Buffer.alloc(PATH_MAX + 1), Buffer.alloc(PATH_MAX + 1)] as const;
const slotPointers = [ptr(slots[0]), ptr(slots[1])] as const;

function path(bytes: string, slot: 0 | 1 = 0): Pointer {
  if (bytes.length > PATH_MAX) throw new FsError("resolve", `${bytes.slice(0, 64)}…`, 36);
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

/** Opens below `dir` as if it were the root: `..`, absolute names and symlinks end inside. */
export function openInRoot(dir: number, name: string, flags: number, mode = 0): number {
  how[0] = BigInt(flags | O.CLOEXEC);
  how[1] = BigInt(mode);
  how[2] = BigInt(RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS);
  return check(c.syscall(437, dir, path(name), howPointer, 24), "open", name);
}

/** Opens one component, never through a symlink. */
export function openAt(dir: number, name: string, flags: number, mode = 0): number {
  return check(c.openat(dir, path(name), flags | O.NOFOLLOW | O.CLOEXEC, mode), "open", name);
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
  check(c.fchownat(dir, path(name), uid, gid, AT.SYMLINK_NOFOLLOW), "chown", name);

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
  check(c.utimensat(dir, path(name), timesPointer, AT.SYMLINK_NOFOLLOW), "utimens", name);
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
