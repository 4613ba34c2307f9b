/**
 * Network namespaces, entered by the calling thread for a moment. A window holds system calls alone: no await and no API
 * of Bun's, since a thread that starts inside stays in the other namespace. Everything that a window needs is
 * made before it. A socket keeps the namespace that it was opened in, so most work is done outside, over sockets.
 * @source setns(2), unshare(2), network_namespaces(7)
 */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { ERRNO } from "./errno.ts";
import { O } from "./file.ts";
import { check, closeFd, cstring, sys } from "./libc.ts";
import { MNT, MS } from "./mount.ts";
import { IFF } from "./netlink/route-flags.ts";
import { CLONE } from "./process.ts";
import { SOCK } from "./socket-flags.ts";

const AT_FDCWD = -100;
/** Of the thread, not of the process: the main thread's is the same only as long as it stays at home. */
const OWN = cstring("/proc/thread-self/ns/net");
/** struct statfs, f_type. */
const NSFS_MAGIC = 0x6e736673n;
/** netdevice(7) */
export const SIOCSIFFLAGS = 0x8914;
const LO = new TextEncoder().encode("lo");
const STDERR = 2;
const LOST = cstring("tsd: cannot return to its own network namespace: ends\n");

/** A descriptor of a namespace by its path; close-on-exec, the caller's. */
export const openNamespace = (path: string): number =>
  check(sys("openat", AT_FDCWD, cstring(path), O.O_RDONLY | O.O_CLOEXEC), `open network namespace ${path}`);

const openOwn = (): number =>
  check(sys("openat", AT_FDCWD, OWN, O.O_RDONLY | O.O_CLOEXEC), "open the own network namespace");

/** The way in, the calls, and the way back, without which the process must not go on. */
function window<T>(enter: () => number, what: string, calls: () => T): T {
  const own = openOwn();
  try {
    check(enter(), what);
    try {
      return calls();
    } finally {
      if (sys("setns", own, CLONE.CLONE_NEWNET) < 0) {
        sys("write", STDERR, LOST, LOST.length - 1);
        sys("exit_group", 70);
      }
    }
  } finally {
    closeFd(own);
  }
}

/** `calls` may only make system calls, with arguments that exist already. */
export const inNamespace = <T>(namespace: number, calls: () => T): T =>
  window(() => sys("setns", namespace, CLONE.CLONE_NEWNET), "enter a network namespace", calls);

/** A new namespace, of which nobody else knows, with `lo` down: a descriptor, close-on-exec, the caller's. */
export function newNamespace(): number {
  return check(
    window(
      () => sys("unshare", CLONE.CLONE_NEWNET),
      "make a network namespace",
      () => sys("openat", AT_FDCWD, OWN, O.O_RDONLY | O.O_CLOEXEC),
    ),
    "open the new network namespace",
  );
}

/** `lo` of a new namespace is down. */
export function bringLoopbackUp(namespace: number): void {
  const socket = socketIn(namespace, SOCK.AF_INET, SOCK.SOCK_DGRAM, 0);
  try {
    const request = new Uint8Array(40);
    request.set(LO);
    request[16] = IFF.IFF_UP;
    check(sys("ioctl", socket, SIOCSIFFLAGS, request), "bring the loopback interface up");
  } finally {
    closeFd(socket);
  }
}

/** A socket that belongs to the namespace; close-on-exec, the caller's. */
export function socketIn(namespace: number, family: number, type: number, protocol: number): number {
  const flags = type | SOCK.SOCK_CLOEXEC;
  const fd = inNamespace(namespace, () => sys("socket", family, flags, protocol));
  return check(fd, "open a socket in a network namespace");
}

/** Gives the namespace a name that outlives its processes: a bind mount on a file, which is made if need be. */
export function pinNamespace(namespace: number, path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  const source = cstring(`/proc/self/fd/${namespace}`);
  check(sys("mount", source, cstring(path), 0, MS.MS_BIND, 0), `bind a network namespace to ${path}`);
}

/** A namespace is pinned there. */
export function isPinned(path: string): boolean {
  const status = new BigInt64Array(15);
  return sys("statfs", cstring(path), status) === 0 && status[0] === NSFS_MAGIC;
}

/** Takes the name away, and the file; neither need be there. The namespace ends with its last process and socket. */
export function unpinNamespace(path: string): void {
  const target = cstring(path);
  // One mount per turn: a name that was given twice has two.
  for (;;) {
    const result = sys("umount2", target, MNT.MNT_DETACH | MNT.UMOUNT_NOFOLLOW);
    if (result === -ERRNO.EINVAL || result === -ERRNO.ENOENT) break;
    check(result, `unmount ${path}`);
  }
  const result = sys("unlinkat", AT_FDCWD, target, 0);
  if (result !== -ERRNO.ENOENT) check(result, `remove ${path}`);
}
