/**
 * Unix sockets beyond what Bun's own do: pairs, and file descriptors that travel in messages.
 */
import { check, closeFd, cstring, SystemError, sys } from "./libc.ts";
import { ptr } from "./native.ts";
import { SOCK } from "./socket-flags.ts";

/** Two connected stream sockets, close-on-exec; the caller owns both. */
export function socketPair(type: number = SOCK.SOCK_STREAM): [number, number] {
  const fds = new Int32Array(2);
  check(sys("socketpair", SOCK.AF_UNIX, type | SOCK.SOCK_CLOEXEC, 0, fds), "socketpair");
  return [fds[0]!, fds[1]!];
}

/** Bytes of a socket's path, without the NUL. */
export const SOCKET_PATH_MAX = 107;

/** struct sockaddr_un. */
export function unixAddress(path: string): Uint8Array {
  const name = cstring(path);
  if (name.length > SOCKET_PATH_MAX + 1) throw new SystemError(`socket path ${path}`, 36);
  const address = new Uint8Array(2 + name.length);
  address[0] = SOCK.AF_UNIX;
  address.set(name, 2);
  return address;
}

/** Connects without waiting: a full backlog is EAGAIN. Close-on-exec and non-blocking; the caller owns the fd. */
export function connectUnix(path: string, type: number = SOCK.SOCK_STREAM): number {
  const address = unixAddress(path);
  const how = type | SOCK.SOCK_CLOEXEC | SOCK.SOCK_NONBLOCK;
  const fd = check(sys("socket", SOCK.AF_UNIX, how, 0), "socket");
  const result = sys("connect", fd, address, address.length);
  if (result < 0) {
    closeFd(fd);
    throw new SystemError(`connect to ${path}`, -result);
  }
  return fd;
}

const CMSG_HEADER = 16;

/** struct msghdr with one iovec; the buffers must outlive the call. */
function message(
  payload: Uint8Array,
  control: Uint8Array | undefined,
): { header: BigUint64Array; iov: BigUint64Array } {
  const iov = new BigUint64Array([BigInt(ptr(payload)), BigInt(payload.length)]);
  const header = new BigUint64Array(7);
  header[2] = BigInt(ptr(iov));
  header[3] = 1n;
  if (control !== undefined) {
    header[4] = BigInt(ptr(control));
    header[5] = BigInt(control.length);
  }
  return { header, iov };
}

/** Sends bytes and fds in one message; never waits (EAGAIN), never raises SIGPIPE. Returns the bytes sent. */
export function sendFds(socket: number, payload: Uint8Array, fds: readonly number[]): number {
  const size = CMSG_HEADER + fds.length * 4;
  const control = new Uint8Array((size + 7) & ~7);
  const view = new DataView(control.buffer);
  view.setBigUint64(0, BigInt(size), true);
  view.setInt32(8, SOCK.SOL_SOCKET, true);
  view.setInt32(12, SOCK.SCM_RIGHTS, true);
  for (const [n, fd] of fds.entries()) view.setInt32(CMSG_HEADER + n * 4, fd, true);
  const { header } = message(payload, fds.length > 0 ? control : undefined);
  return check(sys("sendmsg", socket, header, SOCK.MSG_DONTWAIT | SOCK.MSG_NOSIGNAL), "sendmsg");
}

export interface Received {
  /** Empty at the end of the stream. */
  payload: Uint8Array;
  /** Close-on-exec; the caller owns them. */
  fds: number[];
}

/** One `recvmsg(MSG_DONTWAIT)`: undefined when nothing is there. At most `maxFds` fds; more are an error (EMSGSIZE). */
export function receiveFds(socket: number, maxBytes: number, maxFds: number): Received | undefined {
  const payload = new Uint8Array(maxBytes);
  const control = new Uint8Array((CMSG_HEADER + maxFds * 4 + 7) & ~7);
  const { header } = message(payload, control);
  const got = sys("recvmsg", socket, header, SOCK.MSG_DONTWAIT | SOCK.MSG_CMSG_CLOEXEC);
  if (got === -11) return undefined;
  check(got, "recvmsg");
  const fds: number[] = [];
  const view = new DataView(control.buffer);
  if (Number(header[5]) >= CMSG_HEADER && view.getInt32(12, true) === SOCK.SCM_RIGHTS) {
    const end = Math.min(Number(view.getBigUint64(0, true)), control.length);
    for (let at = CMSG_HEADER; at + 4 <= end; at += 4) fds.push(view.getInt32(at, true));
  }
  if (Number(header[6]! & 0xffffffffn) & SOCK.MSG_CTRUNC) {
    for (const fd of fds) closeFd(fd);
    throw new SystemError("receive file descriptors", 90);
  }
  return { payload: payload.subarray(0, got), fds };
}
