/**
 * Internet sockets: their addresses, and those that are bound to ports.
 * @source ip(7), ipv6(7), tcp(7), socket(7); linux/filter.h
 */
import { check, closeFd, sys } from "./libc.ts";
import { ptr } from "./native.ts";
import { addressBytes, addressText } from "./netlink/ip.ts";
import { SOCK } from "./socket-flags.ts";

/** Of socket(2) and setsockopt(2), as far as internet sockets need more than `SOCK`. */
export const INET = {
  AF_INET6: 10,
  IPPROTO_IP: 0,
  IPPROTO_TCP: 6,
  IPPROTO_UDP: 17,
  IPPROTO_IPV6: 41,
  IPPROTO_SCTP: 132,
  SO_REUSEADDR: 2,
  SO_ATTACH_FILTER: 26,
  SO_DETACH_FILTER: 27,
  IP_PKTINFO: 8,
  IPV6_V6ONLY: 26,
  IPV6_RECVPKTINFO: 49,
  TCP_NODELAY: 1,
  SOMAXCONN: 4096,
} as const;

export { addressBytes };

/** struct sockaddr_in or sockaddr_in6. @throws RangeError for what is no address */
export function socketAddress(ip: string, port: number): Uint8Array {
  const bytes = addressBytes(ip);
  const address = new Uint8Array(bytes.length === 4 ? 16 : 28);
  address[0] = bytes.length === 4 ? SOCK.AF_INET : INET.AF_INET6;
  address[2] = port >> 8;
  address[3] = port & 0xff;
  address.set(bytes, bytes.length === 4 ? 4 : 8);
  return address;
}

const SIOCGIFINDEX = 0x8933;

/**
 * Puts the zone of a link-local address (`eth0`, or a number) into a struct sockaddr_in6, as the socket's network
 * namespace numbers its links.
 * @throws SystemError for a link that is not there
 */
export function setZone(address: Uint8Array, zone: string, socket: number): void {
  const view = new DataView(address.buffer, address.byteOffset, address.length);
  // struct ifreq: a name of 16 bytes, then the number.
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(zone).subarray(0, 15));
  if (!/^\d+$/.test(zone)) check(sys("ioctl", socket, SIOCGIFINDEX, request), `find the link ${zone}`);
  const index = /^\d+$/.test(zone) ? Number(zone) : new DataView(request.buffer).getInt32(16, true);
  view.setUint32(24, index, true);
}

/** What {@link socketAddress} made. */
export function fromSocketAddress(address: Uint8Array): { ip: string; port: number } {
  const bytes = address[0] === SOCK.AF_INET ? address.subarray(4, 8) : address.subarray(8, 24);
  return { ip: addressText(bytes), port: (address[2]! << 8) | address[3]! };
}

export type TransportProtocol = "tcp" | "udp" | "sctp";

const KINDS = {
  tcp: [SOCK.SOCK_STREAM, INET.IPPROTO_TCP],
  udp: [SOCK.SOCK_DGRAM, INET.IPPROTO_UDP],
  sctp: [SOCK.SOCK_STREAM, INET.IPPROTO_SCTP],
} as const;

export interface BindOptions {
  /**
   * Nothing that arrives is answered or queued: a connection is not accepted behind the back of a packet filter that
   * should have taken it elsewhere.
   */
  deaf?: boolean;
}

/**
 * A socket bound to a port, close-on-exec and non-blocking, listening unless it is UDP: what is bound alone can still be
 * taken by another who reuses addresses. IPv6 alone for IPv6 addresses. UDP tells to which address each datagram was
 * sent. The caller owns the fd.
 * @throws SystemError whose message says what failed, in Docker's words
 */
export function bindPort(
  { protocol, ip, port }: { protocol: TransportProtocol; ip: string; port: number },
  { deaf = false }: BindOptions = {},
): number {
  const address = socketAddress(ip, port);
  const six = address[0] === INET.AF_INET6;
  const where = `${six ? `[${ip}]` : ip}:${port}/${protocol}`;
  const [type, number] = KINDS[protocol];
  const how = type | SOCK.SOCK_CLOEXEC | SOCK.SOCK_NONBLOCK;
  const fd = check(sys("socket", address[0]!, how, number), `failed to create socket for ${where}`);
  try {
    const set = (level: number, name: number, what: string) =>
      check(sys("setsockopt", fd, level, name, new Int32Array([1]), 4), `failed to set ${what} for ${where}`);
    // Connections that are just over must not be in the way.
    if (protocol !== "udp") set(SOCK.SOL_SOCKET, INET.SO_REUSEADDR, "SO_REUSEADDR");
    else if (six) set(INET.IPPROTO_IPV6, INET.IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO");
    else set(INET.IPPROTO_IP, INET.IP_PKTINFO, "IP_PKTINFO");
    if (six) set(INET.IPPROTO_IPV6, INET.IPV6_V6ONLY, "IPV6_V6ONLY");
    if (deaf) check(setDeaf(fd, true), `failed to set drop packets filter for ${where}`);
    check(sys("bind", fd, address, address.length), `failed to bind host port ${where}`);
    if (protocol !== "udp")
      check(sys("listen", fd, INET.SOMAXCONN), `failed to listen on ${protocol} socket ${where}`);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** See {@link BindOptions.deaf}. */
export function setDeaf(fd: number, deaf: boolean): number {
  if (!deaf) return sys("setsockopt", fd, SOCK.SOL_SOCKET, INET.SO_DETACH_FILTER, new Int32Array(1), 4);
  // A filter of one instruction, `ret 0`.
  const instruction = new Uint8Array([0x06, 0, 0, 0, 0, 0, 0, 0]);
  const program = new BigUint64Array([1n, BigInt(ptr(instruction))]);
  return sys("setsockopt", fd, SOCK.SOL_SOCKET, INET.SO_ATTACH_FILTER, program, 16);
}
