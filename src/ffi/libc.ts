/**
 * The seam to the kernel: libc's `syscall(2)` over bun:ffi. Two symbols are all that is opened, on first use: each
 * costs some 12 µs of a program's start, and one door serves glibc and musl alike.
 */
import type { FFIFunction, Library, Pointer } from "bun:ffi";
import { ERRNO, errnoMessage, errnoName } from "./errno.ts";
import { dlopen, FFIType, ptr, read } from "./native.ts";
import { type SyscallName, syscallNumber } from "./syscalls.ts";

type Syscall = (nr: number, ...args: (number | bigint)[]) => number | bigint;

const { i64, i64_fast, ptr: pointer } = FFIType;
const SYMBOLS = {
  syscall: { args: [i64, i64, i64, i64, i64, i64, i64], returns: i64_fast },
  __errno_location: { args: [], returns: pointer },
};

const MUSL = process.arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1";

let opened: { syscall: Syscall; errno: () => Pointer } | undefined;

/** The C library that is there, whichever it is, with these of its functions. */
export function openLibc<Symbols extends Record<string, FFIFunction>>(symbols: Symbols): Library<Symbols> {
  try {
    return dlopen("libc.so.6", symbols);
  } catch (error) {
    try {
      return dlopen(MUSL, symbols);
    } catch {
      // Not a question of which libc then: bun:ffi itself does not work (BUN_JSC_useJIT=0, say)
      throw error;
    }
  }
}

function open(): { syscall: Syscall; errno: () => Pointer } {
  const { syscall, __errno_location } = openLibc(SYMBOLS).symbols;
  opened = { syscall: syscall as Syscall, errno: __errno_location as () => Pointer };
  return opened;
}

/** A buffer is passed as its address; it only has to live as long as the call. */
export type Argument = number | bigint | NodeJS.TypedArray;

/** A system call, as the kernel answers it: the result, or `-errno`. */
export function sys(
  name: SyscallName,
  a: Argument = 0,
  b: Argument = 0,
  c: Argument = 0,
  d: Argument = 0,
  e: Argument = 0,
  f: Argument = 0,
): number {
  const { syscall, errno } = opened ?? open();
  const nr = syscallNumber(name);
  if (nr === undefined) return -ERRNO.ENOSYS;
  // Spelled out: a function for each argument is called so often that it is compiled while a program starts
  const result = syscall(
    nr,
    typeof a === "object" ? ptr(a) : a,
    typeof b === "object" ? ptr(b) : b,
    typeof c === "object" ? ptr(c) : c,
    typeof d === "object" ? ptr(d) : d,
    typeof e === "object" ? ptr(e) : e,
    typeof f === "object" ? ptr(f) : f,
  );
  return result === -1 ? -read.i32(errno(), 0) : Number(result);
}

/** A system call of ours that failed. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  /** Positive. */
  readonly errno: number;
  /** `ENOENT`. */
  readonly code: string;

  constructor(what: string, errno: number) {
    super(`${what}: ${errnoMessage(errno)}`);
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

/** The result, or a `SystemError` that says `what` failed. */
export function check(result: number, what: string): number {
  if (result < 0) throw new SystemError(what, -result);
  return result;
}

/** A NUL-terminated string for a system call. */
export const cstring = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);

export function closeFd(fd: number): void {
  if (fd >= 0) sys("close", fd);
}

/** Where `aboveInherited` begins: a program gets its fds as 3, 4, 5, …, and never this many. */
const ABOVE_INHERITED = 128;
const F_DUPFD_CLOEXEC = 1030;

/**
 * The same file at a high number, close-on-exec. `Bun.spawn` dup2's a child's fds into place one after the other, and
 * what has a low number may be overwritten before its turn.
 */
export const aboveInherited = (fd: number): number =>
  check(sys("fcntl", fd, F_DUPFD_CLOEXEC, ABOVE_INHERITED), "fcntl(F_DUPFD_CLOEXEC)");

/** `pipe2`: close-on-exec; the caller owns both. */
export function pipe(flags = 0): { read: number; write: number } {
  const fds = new Int32Array(2);
  check(sys("pipe2", fds, flags | 0x80000), "pipe2");
  return { read: fds[0]!, write: fds[1]! };
}

/** Sends to exactly the process that the pidfd is of. */
export function signalPidfd(pidfd: number, signal: number): void {
  check(sys("pidfd_send_signal", pidfd, signal, 0, 0), `send signal ${signal}`);
}
