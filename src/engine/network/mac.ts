import { randomBytes } from "node:crypto";
import { macText } from "../../ffi/netlink/ip.ts";

/** Locally administered, of one card. */
export function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & 0xfe) | 0x02;
  return macText(bytes);
}
