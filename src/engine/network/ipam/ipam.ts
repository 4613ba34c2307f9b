/**
 * Gives networks their subnets and endpoints their addresses, in memory; rows are the caller's. Every address that a row
 * has is claimed when the daemon starts, so none is given twice.
 */
import { EngineError } from "../../errors.ts";
import type { IpamPool, NetworkRecord } from "../types.ts";
import {
  type Address,
  contains,
  type Family,
  formatAddress,
  formatPrefix,
  isUnspecified,
  masked,
  type Prefix,
  parseAddress,
  parsePrefix,
  sizeOf,
} from "./address.ts";
import { AddressSet } from "./address-set.ts";
import { type AddressPool, Pools } from "./pools.ts";
import type { PrefixIndex } from "./prefix-index.ts";

/** What was asked for of one subnet. */
export interface PoolAsked {
  /** Empty: any. Unspecified (`0.0.0.0/24`): any of this size. */
  subnet?: string;
  ipRange?: string;
  gateway?: string;
  auxiliary?: Record<string, string>;
}

interface Subnet {
  pool: Prefix;
  range: Prefix | undefined;
  set: AddressSet;
}

const inUse = (): EngineError => new EngineError("forbidden", "Address already in use");
const MAX_COUNT = (1n << 64n) - 1n;

export class Ipam {
  readonly #pools: Pools;
  /** What the host routes; asked only when a subnet is to be chosen. */
  readonly #hostPrefixes: () => PrefixIndex;
  /** By network. */
  readonly #subnets = new Map<string, Subnet[]>();

  constructor(pools: readonly AddressPool[], hostPrefixes: () => PrefixIndex) {
    this.#pools = new Pools(pools);
    this.#hostPrefixes = hostPrefixes;
  }

  /**
   * Takes the subnets of a new network, with their gateways (`wantsGateway` says of which family one is needed even
   * when none was named) and auxiliary addresses.
   * @throws EngineError in Docker's words; nothing is taken then
   */
  takeNetwork(
    id: string,
    asked: { family: Family; pools: PoolAsked[]; wantsGateway: boolean }[],
  ): IpamPool[] {
    const subnets: Subnet[] = [];
    const given: IpamPool[] = [];
    try {
      for (const { family, pools, wantsGateway } of asked) {
        for (const one of pools.length > 0 ? pools : [{}]) {
          const subnet = this.#takeSubnet(family, one);
          subnets.push(subnet);
          given.push(reserve(subnet, one, wantsGateway));
        }
      }
    } catch (error) {
      for (const { pool } of subnets) this.#pools.release(pool);
      throw error;
    }
    this.#subnets.set(id, subnets);
    return given;
  }

  /** What a row has, when the daemon starts. */
  claimNetwork(id: string, pools: readonly IpamPool[]): void {
    const subnets = pools.map(({ subnet, ipRange, gateway, auxiliary }): Subnet => {
      const pool = parsePrefix(subnet)!;
      this.#pools.take(pool);
      const claimed = { pool, range: ipRange ? parsePrefix(ipRange) : undefined, set: new AddressSet(pool) };
      for (const text of [gateway, ...Object.values(auxiliary ?? {})]) {
        const address = text ? parseAddress(text) : undefined;
        if (address) claimed.set.add(address.value);
      }
      return claimed;
    });
    this.#subnets.set(id, subnets);
  }

  releaseNetwork(id: string): void {
    for (const { pool } of this.#subnets.get(id) ?? []) this.#pools.release(pool);
    this.#subnets.delete(id);
  }

  /**
   * An address for an endpoint, with its prefix length.
   * @throws EngineError forbidden `Address already in use`, or internal when there is none left
   */
  takeAddress(network: NetworkRecord, family: Family, wanted?: string): string {
    const subnets = (this.#subnets.get(network.id) ?? []).filter(
      ({ pool }) => pool.address.family === family,
    );
    if (subnets.length === 0) {
      throw new EngineError("internal", `no IPv${family} information available for endpoint`);
    }
    if (wanted !== undefined) return takeWanted(subnets, wanted);
    for (const { pool, range, set } of subnets) {
      const value = set.takeAny(range);
      if (value !== undefined) return formatPrefix({ address: { family, value }, bits: pool.bits });
    }
    throw new EngineError(
      "internal",
      `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
    );
  }

  /** What a row has, when the daemon starts. */
  claimAddress(network: string, cidr: string): void {
    const address = parsePrefix(cidr)!.address;
    this.#subnetOf(network, address)?.set.add(address.value);
  }

  releaseAddress(network: string, cidr: string): void {
    const address = parsePrefix(cidr)!.address;
    this.#subnetOf(network, address)?.set.remove(address.value);
  }

  /** For inspect: by subnet. */
  status(network: string): Record<string, { IPsInUse: number; DynamicIPsAvailable: number }> {
    return Object.fromEntries(
      (this.#subnets.get(network) ?? []).map(({ pool, range, set }) => {
        const from = range ?? pool;
        const free = sizeOf(from) - set.countIn(from);
        return [
          formatPrefix(pool),
          { IPsInUse: set.size, DynamicIPsAvailable: Number(free > MAX_COUNT ? MAX_COUNT : free) },
        ];
      }),
    );
  }

  #subnetOf(network: string, address: Address): Subnet | undefined {
    return this.#subnets.get(network)?.find(({ pool }) => contains(pool, address));
  }

  #takeSubnet(family: Family, { subnet, ipRange }: PoolAsked): Subnet {
    const asked = subnet ? masked(parsePrefix(subnet)!) : undefined;
    const range = ipRange ? masked(parsePrefix(ipRange)!) : undefined;
    let pool: Prefix;
    if (asked === undefined || isUnspecified(asked.address)) {
      if (range !== undefined) {
        throw new EngineError(
          "internal",
          `failed to parse pool request for address space "LocalDefault" pool "" subpool "${ipRange}": invalid address subpool`,
        );
      }
      pool = this.#pools.takeAny(family, this.#hostPrefixes(), asked?.bits || undefined);
    } else {
      this.#pools.take(asked);
      pool = asked;
    }
    return { pool, range, set: new AddressSet(pool) };
  }
}

function reserve({ pool, range, set }: Subnet, asked: PoolAsked, wantsGateway: boolean): IpamPool {
  const given: IpamPool = { subnet: formatPrefix(pool) };
  if (range) given.ipRange = formatPrefix(range);
  const failed = (what: string, name: string, reason: string) =>
    new EngineError("internal", `failed to allocate ${what} (${name}): ${reason}`);
  if (asked.gateway) {
    const gateway = parseAddress(asked.gateway);
    if (!gateway || !contains(pool, gateway)) {
      throw failed("gateway", asked.gateway, "requested address is out of range");
    }
    if (!set.add(gateway.value)) {
      // On a network or broadcast address, or twice.
      throw failed("gateway", asked.gateway, "Address already in use");
    }
    given.gateway = formatAddress(gateway);
  } else if (wantsGateway) {
    const value = set.takeAny(range);
    if (value === undefined) throw failed("gateway", "", "no available addresses on this pool");
    given.gateway = formatAddress({ family: pool.address.family, value });
  }
  for (const [name, text] of Object.entries(asked.auxiliary ?? {})) {
    const address = parseAddress(text);
    if (!address || !contains(pool, address)) {
      throw new EngineError(
        "forbidden",
        `auxiliary address: (${name}:${text}) must belong to the master pool: ${formatPrefix(pool)}`,
      );
    }
    if (!set.add(address.value)) {
      throw failed("secondary ip address", `${name}:${text}`, "Address already in use");
    }
    given.auxiliary ??= {};
    given.auxiliary[name] = formatAddress(address);
  }
  return given;
}

function takeWanted(subnets: readonly Subnet[], wanted: string): string {
  const address = parseAddress(wanted);
  const subnet = address && subnets.find(({ pool }) => contains(pool, address));
  if (!address || !subnet) {
    throw new EngineError(
      "invalid",
      `invalid address ${wanted}: It does not belong to any of this network's subnets`,
    );
  }
  if (!subnet.set.add(address.value)) throw inUse();
  return formatPrefix({ address, bits: subnet.pool.bits });
}
