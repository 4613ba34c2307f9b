/**
 * The subnets that networks have, of both families, and where new ones come from. What overlaps a network of ours is
 * refused; one that was not asked for by name also keeps out of the way of what the host routes elsewhere.
 * @source moby, daemon/libnetwork/ipams/defaultipam and ipamutils
 */
import { createHash } from "node:crypto";
import { EngineError } from "../../errors.ts";
import {
  type Family,
  firstOf,
  formatPrefix,
  lastOf,
  masked,
  overlaps,
  type Prefix,
  parsePrefix,
  sizeOf,
  WIDTH,
} from "./address.ts";
import { compare, PrefixIndex } from "./prefix-index.ts";

/** A prefix to cut networks of `size` bits from. */
export interface AddressPool {
  base: Prefix;
  size: number;
}

const pool = (base: string, size: number): AddressPool => ({ base: parsePrefix(base)!, size });

/** Docker's, with an IPv6 pool that is this engine's own: RFC 4193's random 40 bits come from its id. */
export function defaultPools(engineId: string): AddressPool[] {
  const digest = createHash("sha256").update(engineId).digest();
  const global = digest.readBigUInt64BE(0) & ((1n << 40n) - 1n);
  return [
    pool("172.17.0.0/16", 16),
    pool("172.18.0.0/16", 16),
    pool("172.19.0.0/16", 16),
    pool("172.20.0.0/14", 16),
    pool("172.24.0.0/14", 16),
    pool("172.28.0.0/14", 16),
    pool("192.168.0.0/16", 20),
    { base: { address: { family: 6, value: (0xfdn << 120n) | (global << 80n) }, bits: 48 }, size: 64 },
  ];
}

const overlap = (): EngineError =>
  new EngineError("forbidden", "invalid pool request: Pool overlaps with other one on this address space");

export class Pools {
  readonly #pools: AddressPool[];
  /** Apart from each other. */
  readonly #taken = new PrefixIndex();
  /** By pool and size: below this everything is taken. */
  readonly #floors = new Map<string, { base: Prefix; step: bigint; floor: bigint }>();

  constructor(pools: readonly AddressPool[]) {
    const sorted = [...pools].sort((a, b) => compare(a.base, b.base));
    // One within another would be cut twice.
    this.#pools = sorted.filter(
      (one, at) => !sorted.slice(0, at).some((other) => overlaps(other.base, one.base)),
    );
  }

  /** @throws EngineError forbidden when a network of ours has addresses of it */
  take(subnet: Prefix): void {
    if (this.#taken.overlapping(subnet)) throw overlap();
    this.#taken.add(subnet);
  }

  /**
   * The first that is free, of `bits` if that is asked for. `hosts` are prefixes that the host uses, whether ours are among
   * them or not.
   * @throws EngineError invalid when no pool has one left
   */
  takeAny(family: Family, hosts: PrefixIndex, bits?: number): Prefix {
    const candidates = this.#pools
      .filter(({ base }) => base.address.family === family)
      .filter(({ base }) => bits === undefined || (base.bits <= bits && bits <= WIDTH[family]));
    if (candidates.length === 0) {
      throw new EngineError("invalid", bits === undefined ? FULLY_SUBNETTED : "invalid address pool");
    }
    for (const { base, size } of candidates) {
      const found = this.#firstFree(base, bits ?? size, hosts);
      if (found === undefined) continue;
      this.take(found);
      return found;
    }
    throw new EngineError("invalid", FULLY_SUBNETTED);
  }

  release(subnet: Prefix): void {
    const own = masked(subnet);
    if (!this.#taken.delete(own)) return;
    for (const range of this.#floors.values()) {
      if (!overlaps(range.base, own)) continue;
      const steps = (firstOf(own) - firstOf(range.base)) / range.step;
      const at = firstOf(range.base) + (steps > 0n ? steps : 0n) * range.step;
      if (at < range.floor) range.floor = at;
    }
  }

  #firstFree(base: Prefix, bits: number, hosts: PrefixIndex): Prefix | undefined {
    const { family } = base.address;
    const range = this.#rangeOf(base, bits);
    const end = lastOf(base);
    // What the host uses may be free tomorrow: the floor does not rise over that.
    let skippedHosts = false;
    for (let value = range.floor; value <= end; ) {
      const candidate: Prefix = { address: { family, value }, bits };
      const ours = this.#taken.overlapping(candidate);
      const inTheWay = ours ?? hosts.overlapping(candidate);
      if (inTheWay === undefined) return candidate;
      // To the next multiple after what is in the way.
      const after = firstOf(inTheWay) + sizeOf(inTheWay) - firstOf(base);
      value = firstOf(base) + ((after + range.step - 1n) / range.step) * range.step;
      skippedHosts ||= ours === undefined;
      if (!skippedHosts) range.floor = value;
    }
    return undefined;
  }

  #rangeOf(base: Prefix, bits: number): { base: Prefix; step: bigint; floor: bigint } {
    const key = `${formatPrefix(base)} ${bits}`;
    const known = this.#floors.get(key);
    if (known) return known;
    const fresh = { base, step: 1n << BigInt(WIDTH[base.address.family] - bits), floor: firstOf(base) };
    this.#floors.set(key, fresh);
    return fresh;
  }
}

const FULLY_SUBNETTED = "all predefined address pools have been fully subnetted";
