/**
 * What tells neighbours that an address now is at another MAC: an address may be given out again at once, and who
 * remembers its last holder would send to nobody for half a minute.
 * @source RFC 5227 (ARP announcements), RFC 4861, 4.4 and 7.2.6 (unsolicited neighbour advertisements)
 */
import { addressBytes, macBytes } from "../../../ffi/netlink/ip.ts";

const EVERYBODY = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const ARP_HEADER = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1];

/** An Ethernet frame for one address, without its prefix length. */
export function announcement(address: string, mac: string): Uint8Array {
  const ip = addressBytes(address);
  const hardware = macBytes(mac);
  return ip.length === 4 ? arp(ip, hardware) : advertisement(ip, hardware);
}

const arp = (ip: Uint8Array, mac: Uint8Array): Uint8Array =>
  Uint8Array.from([...EVERYBODY, ...mac, ...ARP_HEADER, ...mac, ...ip, 0, 0, 0, 0, 0, 0, ...ip]);

const ALL_NODES = addressBytes("ff02::1");
const ALL_NODES_MAC = [0x33, 0x33, 0, 0, 0, 1];
const ICMPV6 = 58;
const ADVERTISEMENT = 136;
const OVERRIDE = 0x20;
const TARGET_MAC = 2;

function advertisement(ip: Uint8Array, mac: Uint8Array): Uint8Array {
  const message = [ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0, ...ip, TARGET_MAC, 1, ...mac];
  const { length } = message;
  const sum = checksum([...ip, ...ALL_NODES, 0, 0, 0, length, 0, 0, 0, ICMPV6, ...message]);
  message[2] = sum >> 8;
  message[3] = sum & 0xff;
  const header = [0x60, 0, 0, 0, 0, length, ICMPV6, 255, ...ip, ...ALL_NODES];
  return Uint8Array.from([...ALL_NODES_MAC, ...mac, 0x86, 0xdd, ...header, ...message]);
}

/** RFC 1071; an even number of bytes. */
function checksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let n = 0; n < bytes.length; n += 2) sum += (bytes[n]! << 8) | bytes[n + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
