/**
 * Names are asked at 127.0.0.11, port 53, and answered at another port there: so a container's own server may have port
 * 53 of all its addresses. A rule of the container's namespace leads from one to the other.
 */
import { addressBytes } from "../../../ffi/netlink/ip.ts";
import { Batch } from "../../../ffi/nftables/batch.ts";
import { Nftables } from "../../../ffi/nftables/connection.ts";
import { immediate, nat } from "../../../ffi/nftables/expressions.ts";
import { dport, IP4, is, l4proto } from "../../../ffi/nftables/fields.ts";
import { NFPROTO, PRIORITY } from "../../../ffi/nftables/flags.ts";
import type { SandboxRecord } from "../types.ts";

const TABLE = "tsd-names";
const CHAIN = "output";
const ADDRESS = addressBytes("127.0.0.11");
const PROTOCOLS = { udp: 17, tcp: 6 } as const;
const big = (port: number): Uint8Array => new Uint8Array([port >> 8, port]);

/** `ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:PORT`, and so for tcp, if it is not there. */
export function redirectNames(namespace: number, ports: NonNullable<SandboxRecord["names"]>): void {
  using tables = new Nftables(namespace);
  if (tables.rules("ip", TABLE).length > 0) return;
  const batch = new Batch("ip", TABLE)
    .addTable()
    .addChain(CHAIN, { type: "nat", hook: "output", priority: PRIORITY.dstnat });
  for (const [name, protocol] of Object.entries(PROTOCOLS)) {
    batch.addRule(CHAIN, [
      ...is(IP4.daddr, ADDRESS),
      ...is(l4proto, new Uint8Array([protocol])),
      ...is(dport, big(53)),
      immediate(0, ADDRESS),
      immediate(1, big(ports[name as keyof typeof PROTOCOLS])),
      nat("dnat", NFPROTO.ip, 0, 1),
    ]);
  }
  tables.commit(batch);
}
