/**
 * Files of the host by their path, for programs that live a few milliseconds: importing `node:fs` is 1.1 ms of them,
 * `node:path` 0.4. What fails is a `SystemError`, with the same `code` as an error of `node:fs`.
 */
import { ERRNO } from "./errno.ts";
import { AT, O, OPEN_HOW_SIZE, RESOLVE, S } from "./file.ts";
import { check, closeFd, cstring, SystemError, sys } from "./libc.ts";

const CWD = AT.AT_FDCWD;

/** An absolute path without `.`, `..` and doubled slashes; a relative one is below `folder`. */
export function absolute(path: string, folder: string = process.cwd()): string {
  const whole = path.startsWith("/") ? path : `${folder}/${path}`;
  const out: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "..") out.pop();
    else if (part !== "" && part !== ".") out.push(part);
  }
  return `/${out.join("/")}`;
}

/** All that is left in an open file. Closes it. */
function drain(fd: number, path: string): Uint8Array {
  try {
    let bytes = new Uint8Array(16384);
    let used = 0;
    for (;;) {
      const got = check(sys("read", fd, bytes.subarray(used), bytes.length - used), `read ${path}`);
      if (got === 0) return bytes.subarray(0, used);
      used += got;
      if (used < bytes.length) continue;
      const grown = new Uint8Array(bytes.length * 4);
      grown.set(bytes);
      bytes = grown;
    }
  } finally {
    closeFd(fd);
  }
}

export function readBytes(path: string): Uint8Array {
  const fd = sys("openat", CWD, cstring(path), O.O_RDONLY | O.O_CLOEXEC, 0);
  return drain(check(fd, `open ${path}`), path);
}

/** A file that only this user can have written; undefined when there is none, or another could have. */
export function readOwn(path: string): Uint8Array | undefined {
  const fd = sys("openat", CWD, cstring(path), O.O_RDONLY | O.O_NOFOLLOW | O.O_NONBLOCK | O.O_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const { uid, mode } = statusOf(fd);
  const own = uid === process.geteuid?.() && (mode & S.S_IFMT) === S.S_IFREG && (mode & 0o022) === 0;
  if (own) return drain(fd, path);
  closeFd(fd);
  return undefined;
}

export const readText = (path: string): string => new TextDecoder().decode(readBytes(path));

const STDERR = 2;
/** More than any real passwd or group file has. */
const MAX_FILE_IN_ROOT = 16 * 1024 * 1024;

/** A regular file of a container's root: links lead where they lead inside it. What is anything else is not opened. */
export function readTextIn(root: string, path: string): string {
  const folder = check(
    sys("openat", CWD, cstring(root), O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC, 0),
    `open ${root}`,
  );
  const how = new BigUint64Array(OPEN_HOW_SIZE / 8);
  how[0] = BigInt(O.O_PATH | O.O_CLOEXEC);
  how[2] = BigInt(RESOLVE.RESOLVE_IN_ROOT | RESOLVE.RESOLVE_NO_MAGICLINKS);
  const found = sys("openat2", folder, cstring(path), how, OPEN_HOW_SIZE);
  closeFd(folder);
  const what = `open ${path} in ${root}`;
  check(found, what);
  try {
    const { mode, size } = statusOf(found);
    if ((mode & S.S_IFMT) !== S.S_IFREG) throw new SystemError(what, ERRNO.EINVAL);
    if (size > MAX_FILE_IN_ROOT) throw new SystemError(what, ERRNO.EFBIG);
    return readText(`/proc/self/fd/${found}`);
  } finally {
    closeFd(found);
  }
}

/** Makes the file, or replaces what is in it. */
export const writeFile = (path: string, content: string | Uint8Array, mode = 0o644): void =>
  write(path, content, O.O_TRUNC, mode);

export const appendText = (path: string, text: string): void => write(path, text, O.O_APPEND, 0o644);

/** A line for standard error, as it is: `console.error` writes in red where that is a terminal. Never throws. */
export function complain(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let at = 0; at < bytes.length; ) {
    const written = sys("write", STDERR, bytes.subarray(at), bytes.length - at);
    // A pipe that somebody else made non-blocking.
    if (written === -ERRNO.EAGAIN) Bun.sleepSync(1);
    else if (written > 0) at += written;
    else if (written !== -ERRNO.EINTR) return;
  }
}

function write(path: string, content: string | Uint8Array, how: number, mode: number): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const flags = O.O_WRONLY | O.O_CREAT | O.O_CLOEXEC | how;
  const fd = check(sys("openat", CWD, cstring(path), flags, mode), `open ${path}`);
  try {
    for (let at = 0; at < bytes.length; )
      at += check(sys("write", fd, bytes.subarray(at), bytes.length - at), `write ${path}`);
  } finally {
    closeFd(fd);
  }
}

/** A name beside it. */
function freshBeside(path: string): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}.${path.slice(slash)}`;
}

/** @throws SystemError where {@link replaceFile} could not make its file */
export function checkReplaceable(path: string): void {
  const fresh = freshBeside(path);
  writeFile(fresh, "");
  removeFile(fresh);
}

/** Whole or not at all: for readers that come at any moment. */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o644): void {
  const fresh = freshBeside(path);
  writeFile(fresh, content, mode);
  check(sys("renameat2", CWD, cstring(fresh), CWD, cstring(path), 0), `rename ${fresh} to ${path}`);
}

export function makeFolder(path: string, mode: number): void {
  check(sys("mkdirat", CWD, cstring(path), mode), `mkdir ${path}`);
}

/** With the folders above it; one that is there already is fine. */
export function makeFolders(path: string, mode: number): void {
  const result = sys("mkdirat", CWD, cstring(path), mode);
  if (result >= 0 || result === -ERRNO.EEXIST) return;
  const slash = path.lastIndexOf("/");
  if (result !== -ERRNO.ENOENT || slash <= 0) throw new SystemError(`mkdir ${path}`, -result);
  makeFolders(path.slice(0, slash), mode);
  makeFolder(path, mode);
}

/** One that is not there is fine. */
export function removeFile(path: string): void {
  const result = sys("unlinkat", CWD, cstring(path), 0);
  if (result < 0 && result !== -ERRNO.ENOENT) throw new SystemError(`remove ${path}`, -result);
}

/** An empty one. False when it cannot be removed; one that is not there is fine. */
export function removeFolder(path: string): boolean {
  const result = sys("unlinkat", CWD, cstring(path), AT.AT_REMOVEDIR);
  return result >= 0 || result === -ERRNO.ENOENT;
}

export const exists = (path: string): boolean => sys("faccessat", CWD, cstring(path), 0) === 0;

/** struct statx, as far as it is asked here. */
export interface Status {
  uid: number;
  /** The type among it. */
  mode: number;
  size: number;
  /** Of a device file. */
  device: { major: number; minor: number };
  /** Something is mounted there, in whatever mount namespace. */
  isMountRoot: boolean;
}

const STATX_BASIC = 0x7ff;
const STATX_ATTR_MOUNT_ROOT = 0x2000;

/** Of an open file. */
export function statusOf(fd: number): Status {
  const words = new Uint32Array(64);
  check(sys("statx", fd, cstring(""), AT.AT_EMPTY_PATH, STATX_BASIC, words), "statx");
  return {
    uid: words[5]!,
    mode: words[7]! & 0xffff,
    size: words[11]! * 2 ** 32 + words[10]!,
    device: { major: words[32]!, minor: words[33]! },
    isMountRoot: (words[2]! & STATX_ATTR_MOUNT_ROOT) !== 0,
  };
}

export const isCharacterDevice = ({ mode }: Status): boolean => (mode & S.S_IFMT) === S.S_IFCHR;
