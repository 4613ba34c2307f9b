/** Which addresses of a prefix are taken: a sparse bitmap, so that a /64 costs no more than what is taken of it. */
import { firstOf, lastOf, type Prefix, sizeOf } from "./address.ts";

const WORD = 32n;
const FULL = 0xffffffff;

export class AddressSet {
  readonly #base: bigint;
  readonly #last: bigint;
  /** By offset / 32; words without a bit set are absent. */
  readonly #words = new Map<bigint, number>();
  /** For each range that was asked for: below this offset everything in it is taken. */
  readonly #floors = new Map<string, { from: bigint; to: bigint; floor: bigint }>();
  #size = 0;

  constructor(pool: Prefix) {
    this.#base = firstOf(pool);
    this.#last = lastOf(pool);
    // The network's own address (in IPv6 the routers' anycast), and in IPv4 the broadcast; not of a point-to-point link.
    const four = pool.address.family === 4;
    if (!four || sizeOf(pool) > 2n) this.add(this.#base);
    if (four && sizeOf(pool) > 2n) this.add(this.#last);
  }

  get size(): number {
    return this.#size;
  }

  has(value: bigint): boolean {
    const offset = value - this.#base;
    return (((this.#words.get(offset / WORD) ?? 0) >>> Number(offset % WORD)) & 1) === 1;
  }

  /** False when it is taken already. */
  add(value: bigint): boolean {
    const offset = value - this.#base;
    const key = offset / WORD;
    const word = this.#words.get(key) ?? 0;
    const bit = (1 << Number(offset % WORD)) >>> 0;
    if ((word & bit) !== 0) return false;
    this.#words.set(key, (word | bit) >>> 0);
    this.#size++;
    return true;
  }

  remove(value: bigint): void {
    const offset = value - this.#base;
    const key = offset / WORD;
    const word = this.#words.get(key) ?? 0;
    const bit = (1 << Number(offset % WORD)) >>> 0;
    if ((word & bit) === 0) return;
    const left = (word & ~bit) >>> 0;
    if (left === 0) this.#words.delete(key);
    else this.#words.set(key, left);
    this.#size--;
    for (const range of this.#floors.values()) {
      if (offset >= range.from && offset < range.floor) range.floor = offset;
    }
  }

  /** Takes the lowest free address, within `range` if one is given; undefined when there is none. */
  takeAny(range?: Prefix): bigint | undefined {
    const known = this.#rangeOf(range);
    for (let offset = known.floor; offset <= known.to; ) {
      const word = this.#words.get(offset / WORD) ?? 0;
      const start = Number(offset % WORD);
      // Bits below the start count as taken.
      const free = ~(word | (2 ** start - 1)) >>> 0;
      if (word === FULL || free === 0) {
        offset = (offset / WORD + 1n) * WORD;
        continue;
      }
      const found = (offset / WORD) * WORD + BigInt(31 - Math.clz32(free & -free));
      if (found > known.to) break;
      known.floor = found + 1n;
      this.add(this.#base + found);
      return this.#base + found;
    }
    known.floor = known.to + 1n;
    return undefined;
  }

  /** How many of `range` are taken. */
  countIn(range: Prefix): bigint {
    const [from, to] = [firstOf(range) - this.#base, lastOf(range) - this.#base];
    let count = 0n;
    for (const [key, word] of this.#words) {
      for (let bit = 0; bit < 32; bit++) {
        const offset = key * WORD + BigInt(bit);
        if ((word >>> bit) & 1 && offset >= from && offset <= to) count++;
      }
    }
    return count;
  }

  #rangeOf(range: Prefix | undefined): { from: bigint; to: bigint; floor: bigint } {
    const from = range ? firstOf(range) - this.#base : 0n;
    const to = (range ? lastOf(range) : this.#last) - this.#base;
    const key = `${from}-${to}`;
    const known = this.#floors.get(key);
    if (known) return known;
    const fresh = { from, to, floor: from };
    this.#floors.set(key, fresh);
    return fresh;
  }
}
