/** What systemd hands to a service and hears from it. @source sd_listen_fds(3), sd_notify(3) */
import { check, closeFd, sys } from "../../ffi/libc.ts";
import { unixAddress } from "../../ffi/socket.ts";
import { SOCK } from "../../ffi/socket-flags.ts";

export interface InheritedSocket {
  fd: number;
  name: string;
}

const FIRST_FD = 3;

/** The sockets that were opened for this process; told once, since children must not take them for theirs. */
export function takeInheritedSockets(env: NodeJS.ProcessEnv = process.env): InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env;
  delete env.LISTEN_PID;
  delete env.LISTEN_FDS;
  delete env.LISTEN_FDNAMES;
  if (Number(LISTEN_PID) !== process.pid) return [];
  const names = (LISTEN_FDNAMES ?? "").split(":");
  const sockets = Array.from({ length: Number(LISTEN_FDS) || 0 }, (_, n) => ({
    fd: FIRST_FD + n,
    name: names[n] ?? "",
  }));
  for (const { fd } of sockets) sys("fcntl", fd, F_SETFD, FD_CLOEXEC);
  return sockets;
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Sends one state (`READY=1`); without systemd nothing happens. */
export function notify(state: string, env: NodeJS.ProcessEnv = process.env): void {
  const path = env.NOTIFY_SOCKET;
  if (!path) return;
  const address = unixAddress(path);
  // An address of the abstract name space has a zero byte in front, and no NUL behind.
  const abstract = path.startsWith("@");
  if (abstract) address[2] = 0;
  const length = abstract ? address.length - 1 : address.length;
  const fd = check(sys("socket", SOCK.AF_UNIX, SOCK.SOCK_DGRAM | SOCK.SOCK_CLOEXEC, 0), "socket");
  try {
    const message = new TextEncoder().encode(state);
    check(sys("sendto", fd, message, message.length, SOCK.MSG_NOSIGNAL, address, length), `notify ${path}`);
  } finally {
    closeFd(fd);
  }
}
