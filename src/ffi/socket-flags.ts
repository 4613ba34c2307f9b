/** Sockets, poll, terminals. */
/** socket(2), send(2), recv(2). */
export const SOCK = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_NETLINK: 16,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_SEQPACKET: 5,
  SOCK_NONBLOCK: 2048,
  SOCK_CLOEXEC: 524288,
  SOL_SOCKET: 1,
  SO_PEERCRED: 17,
  SO_SNDBUF: 7,
  SCM_RIGHTS: 1,
  MSG_DONTWAIT: 64,
  MSG_WAITALL: 256,
  MSG_NOSIGNAL: 16384,
  MSG_CMSG_CLOEXEC: 1073741824,
  MSG_CTRUNC: 8,
  SHUT_RD: 0,
  SHUT_WR: 1,
  SHUT_RDWR: 2,
} as const;

/** poll(2). */
export const POLL = {
  POLLIN: 1,
  POLLPRI: 2,
  POLLOUT: 4,
  POLLERR: 8,
  POLLHUP: 16,
} as const;

/** ioctl(2) on terminals. */
export const TIO = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TIOCSCTTY: 0x540e,
  TIOCNOTTY: 0x5422,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCGPTN: 0x80045430,
  TIOCSPTLCK: 0x40045431,
  TIOCGPTPEER: 0x5441,
} as const;
