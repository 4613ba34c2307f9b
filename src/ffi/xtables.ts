/**
 * What the old iptables' filter tables do with what they have no rule for: getsockopt on raw sockets, as iptables-legacy
 * itself asks. Only to be asked about a table that is there: the question makes it.
 * @source linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h, netfilter/x_tables.h
 */

import { INET } from "./inet.ts";
import { closeFd, sys } from "./libc.ts";
import { SOCK } from "./socket-flags.ts";

const IPPROTO_RAW = 255;
/** The same numbers for both families, at their own levels. */
const SO_GET_INFO = 64;
const SO_GET_ENTRIES = 65;
const NAME_SIZE = 32;
/** struct ipt_getinfo: the name, valid_hooks, hook_entry[5], underflow[5], num_entries, size. */
const INFO = { size: 84, underflow: NAME_SIZE + 4 + 5 * 4, total: 80 };
/** struct ipt_get_entries: the name, a size, and entries on a boundary of eight bytes. */
const ENTRIES_AT = 40;
const HOOK_FORWARD = 2;
/** Where an entry says where its target begins: after its addresses and nfcache. */
const TARGET_OFFSET_AT = { 4: 88, 6: 140 } as const;
/** struct xt_standard_target: the verdict comes after size, name and revision. */
const VERDICT_AT = 32;
/** `-NF_DROP - 1` */
const DROP = -1;

/** Whether the filter table's FORWARD chain ends in a drop; false when that cannot be told. */
export function legacyForwardDrops(family: 4 | 6): boolean {
  const [domain, level] = family === 4 ? [SOCK.AF_INET, INET.IPPROTO_IP] : [INET.AF_INET6, INET.IPPROTO_IPV6];
  const fd = sys("socket", domain, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) return false;
  try {
    const info = named(INFO.size);
    if (!get(fd, level, SO_GET_INFO, info)) return false;
    const about = new DataView(info.buffer);
    const size = about.getUint32(INFO.total, true);
    const entries = named(ENTRIES_AT + size);
    const table = new DataView(entries.buffer);
    table.setUint32(NAME_SIZE, size, true);
    if (!get(fd, level, SO_GET_ENTRIES, entries)) return false;
    // The entry that is the policy.
    const last = ENTRIES_AT + about.getUint32(INFO.underflow + HOOK_FORWARD * 4, true);
    const target = last + table.getUint16(last + TARGET_OFFSET_AT[family], true);
    return table.getInt32(target + VERDICT_AT, true) === DROP;
  } catch (error) {
    // Offsets that lead elsewhere: not the table that this was written for.
    if (error instanceof RangeError) return false;
    throw error;
  } finally {
    closeFd(fd);
  }
}

function named(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode("filter"));
  return bytes;
}

const get = (fd: number, level: number, option: number, into: Uint8Array): boolean =>
  sys("getsockopt", fd, level, option, into, new Uint32Array([into.length])) === 0;
