/** Prefixes in order, so that what a new one overlaps is found without a look at all of them. */
import { type Family, masked, overlaps, type Prefix } from "./address.ts";

export class PrefixIndex {
  /** Masked, by their first address, the wider first; each once. */
  readonly #sorted: Record<Family, Prefix[]> = { 4: [], 6: [] };
  /** How many there are of each length. */
  readonly #lengths: Record<Family, Map<number, number>> = { 4: new Map(), 6: new Map() };

  constructor(prefixes: Iterable<Prefix> = []) {
    for (const prefix of prefixes) this.add(prefix);
  }

  *[Symbol.iterator](): Iterator<Prefix> {
    yield* this.#sorted[4];
    yield* this.#sorted[6];
  }

  /** False when it is there already. */
  add(prefix: Prefix): boolean {
    const own = masked(prefix);
    const { sorted, lengths } = this.#of(own);
    const at = position(sorted, own);
    if (isSame(sorted[at], own)) return false;
    sorted.splice(at, 0, own);
    lengths.set(own.bits, (lengths.get(own.bits) ?? 0) + 1);
    return true;
  }

  /** False when it is not there. */
  delete(prefix: Prefix): boolean {
    const own = masked(prefix);
    const { sorted, lengths } = this.#of(own);
    const at = position(sorted, own);
    if (!isSame(sorted[at], own)) return false;
    sorted.splice(at, 1);
    const left = lengths.get(own.bits)! - 1;
    if (left > 0) lengths.set(own.bits, left);
    else lengths.delete(own.bits);
    return true;
  }

  clear(): void {
    for (const family of [4, 6] as const) {
      this.#sorted[family].length = 0;
      this.#lengths[family].clear();
    }
  }

  /** One that has addresses of `prefix`: the widest around it, or else the first within it. */
  overlapping(prefix: Prefix): Prefix | undefined {
    const { sorted, lengths } = this.#of(prefix);
    for (const bits of [...lengths.keys()].sort((a, b) => a - b)) {
      if (bits >= prefix.bits) break;
      const around = masked({ address: prefix.address, bits });
      const found = sorted[position(sorted, around)];
      if (isSame(found, around)) return found;
    }
    const first = sorted[position(sorted, masked(prefix))];
    return first && overlaps(first, prefix) ? first : undefined;
  }

  #of({ address: { family } }: Prefix): { sorted: Prefix[]; lengths: Map<number, number> } {
    return { sorted: this.#sorted[family], lengths: this.#lengths[family] };
  }
}

const isSame = (a: Prefix | undefined, b: Prefix): boolean =>
  a !== undefined && a.address.value === b.address.value && a.bits === b.bits;

/** Of masked prefixes: by first address, then the wider first. */
export function compare(a: Prefix, b: Prefix): number {
  const [one, other] = [a.address.value, b.address.value];
  return one === other ? a.bits - b.bits : one < other ? -1 : 1;
}

/** Where `prefix` is in a sorted list, or belongs. */
function position(sorted: readonly Prefix[], prefix: Prefix): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(sorted[middle]!, prefix) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
