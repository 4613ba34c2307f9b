/**
 * Reading file descriptors of every kind without blocking, and knowing when: Bun does this for its own streams only.
 * Every call here returns at once.
 * @source epoll(7), ioctl_tty(2), flock(2)
 */
import { ERRNO } from "./errno.ts";
import { F, O } from "./file.ts";
import { check, sys } from "./libc.ts";
import { ptr } from "./native.ts";

const EPOLL_CLOEXEC = O.O_CLOEXEC;
const FIONREAD = 0x541b;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const LOCK_EX_NB = 2 | 4;
/** Events of epoll(7). */
export const EPOLL = { EPOLLIN: 1, EPOLLOUT: 4, EPOLLERR: 8, EPOLLHUP: 16 } as const;
const CTL = { ADD: 1, DEL: 2, MOD: 3 } as const;

/** struct epoll_event is packed on x86 alone. */
const EVENT_SIZE = process.arch === "arm64" ? 16 : 12;
export const EVENT_DATA_AT = EVENT_SIZE - 8;
const MAX_EVENTS = 64;

/** read(2) to an offset in `into`: the count, 0 at the end, or -errno. */
export function readInto(fd: number, into: Uint8Array, offset: number, length: number): number {
  return sys("read", fd, ptr(into, offset), length);
}

/** write(2): the count, or -errno. */
export function writeFrom(fd: number, from: Uint8Array): number {
  return from.length === 0 ? 0 : sys("write", fd, from, from.length);
}

export function setNonblocking(fd: number): void {
  sys("fcntl", fd, F.F_SETFL, sys("fcntl", fd, F.F_GETFL) | O.O_NONBLOCK);
}

const cell = new Int32Array(1);

/** How many bytes wait to be read from a pipe or a terminal. */
export function available(fd: number): number {
  return sys("ioctl", fd, FIONREAD, cell) < 0 ? 0 : cell[0]!;
}

/** Of a terminal; undefined for what is none, or has no size. */
export function windowSize(fd: number): { cols: number; rows: number } | undefined {
  const size = new Uint16Array(4);
  if (sys("ioctl", fd, TIOCGWINSZ, size) < 0 || size[0] === 0) return undefined;
  return { rows: size[0]!, cols: size[1]! };
}

/** Sets a terminal's size, which sends SIGWINCH to its foreground group. */
export function setWindowSize(fd: number, cols: number, rows: number): void {
  check(sys("ioctl", fd, TIOCSWINSZ, new Uint16Array([rows, cols, 0, 0])), "resize the terminal");
}

/**
 * False when another process holds the lock. It is held until the last copy of the fd is closed.
 * @throws SystemError where there are no locks
 */
export function tryLock(fd: number): boolean {
  const result = sys("flock", fd, LOCK_EX_NB);
  if (result === -ERRNO.EAGAIN) return false;
  check(result, "flock");
  return true;
}

/** An epoll instance; level-triggered. The owner closes `fd`. */
export class Epoll {
  readonly fd = check(sys("epoll_create1", EPOLL_CLOEXEC), "epoll_create1");
  readonly #events = new Uint8Array(EVENT_SIZE * MAX_EVENTS);
  readonly #view = new DataView(this.#events.buffer);
  readonly #one = new Uint8Array(EVENT_SIZE);
  readonly #oneView = new DataView(this.#one.buffer);

  add(fd: number, events: number): void {
    this.#control(CTL.ADD, fd, events);
  }

  remove(fd: number): void {
    sys("epoll_ctl", this.fd, CTL.DEL, fd, this.#one);
  }

  /** What is ready now: calls `ready` for each, and returns how many there were. */
  poll(ready: (fd: number, events: number) => void): number {
    const count = sys("epoll_pwait", this.fd, this.#events, MAX_EVENTS, 0, 0, 8);
    if (count <= 0) return 0;
    const found: [number, number][] = [];
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_SIZE;
      found.push([this.#view.getInt32(at + EVENT_DATA_AT, true), this.#view.getUint32(at, true)]);
    }
    for (const [fd, events] of found) ready(fd, events);
    return count;
  }

  #control(op: number, fd: number, events: number): void {
    this.#oneView.setUint32(0, events, true);
    this.#oneView.setInt32(EVENT_DATA_AT, fd, true);
    check(sys("epoll_ctl", this.fd, op, fd, this.#one), `watch file descriptor ${fd}`);
  }
}
