/** Sets of intervals: the kernel has each as the key that it begins with and the key that ends it. */
import type { Element } from "./batch.ts";

/** The prefix as an interval of a set, as nft has it: its first address, and the first behind it, if there is one. */
export function prefixElements({ address, bits }: { address: Uint8Array; bits: number }): Element[] {
  const first = address.slice();
  const behind = address.slice();
  for (let n = bits; n < address.length * 8; n++) first[n >> 3]! &= ~(0x80 >> (n & 7));
  behind.set(first);
  for (let n = bits - 1; n >= 0; n--) {
    behind[n >> 3]! ^= 0x80 >> (n & 7);
    if (behind[n >> 3]! & (0x80 >> (n & 7))) break;
  }
  const begins = { key: first };
  return behind.some((byte) => byte !== 0) ? [begins, { key: behind, ends: true }] : [begins];
}
