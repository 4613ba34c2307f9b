/** Sets of intervals: the kernel has each as the key that it begins with and the key that ends it. */
import { lastOf, networkOf, type Prefix } from "../netlink/ip.ts";
import type { Element } from "./batch.ts";

/** The prefix as an interval of a set, as nft has it: its first address, and the first behind it, if there is one. */
export function prefixElements(prefix: Prefix): Element[] {
  const begins = { key: networkOf(prefix).bytes };
  const behind = lastOf(prefix);
  for (let n = behind.length - 1; n >= 0; n--) {
    behind[n]!++;
    if (behind[n] !== 0) return [begins, { key: behind, ends: true }];
  }
  return [begins];
}
