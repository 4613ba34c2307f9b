import { expect, test } from "bun:test";
import { formatPrefix, parsePrefix } from "../../../../../src/engine/network/ipam/address.ts";
import { type AddressPool, defaultPools, Pools } from "../../../../../src/engine/network/ipam/pools.ts";
import { PrefixIndex } from "../../../../../src/engine/network/ipam/prefix-index.ts";

const ENGINE = "00000000-0000-4000-8000-000000000000";
const cut = (base: string, size: number): AddressPool => ({ base: parsePrefix(base)!, size });
const index = (hosts: string[]) => new PrefixIndex(hosts.map((host) => parsePrefix(host)!));
const next = (pools: Pools, hosts: string[] = [], bits?: number) =>
  formatPrefix(pools.takeAny(4, index(hosts), bits));

test("Docker's pools are given in their order: 15 large ones, then 16 smaller", () => {
  const pools = new Pools(defaultPools(ENGINE));
  const given = Array.from({ length: 31 }, () => next(pools));
  expect(given.slice(0, 4)).toEqual(["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/16"]);
  expect(given[14]).toBe("172.31.0.0/16");
  expect(given[15]).toBe("192.168.0.0/20");
  expect(given[30]).toBe("192.168.240.0/20");
  expect(() => next(pools)).toThrow("all predefined address pools have been fully subnetted");
});

test("IPv6 has a unique local prefix of the engine's own", () => {
  const one = formatPrefix(new Pools(defaultPools(ENGINE)).takeAny(6, index([])));
  expect(one).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+\/64$/);
  expect(formatPrefix(new Pools(defaultPools(ENGINE)).takeAny(6, index([])))).toBe(one);
  expect(formatPrefix(new Pools(defaultPools("another")).takeAny(6, index([])))).not.toBe(one);
});

test("what the host routes is kept out of, for as long as it does", () => {
  const pools = new Pools([cut("10.0.0.0/22", 24)]);
  expect(next(pools, ["10.0.0.0/25", "10.0.2.7/32", "fd00::/8"])).toBe("10.0.1.0/24");
  expect(next(pools, ["10.0.1.0/24"])).toBe("10.0.0.0/24");
  expect(next(pools)).toBe("10.0.2.0/24");
});

test("a subnet that is given back is given again, lowest first", () => {
  const pools = new Pools([cut("10.0.0.0/21", 24)]);
  for (let i = 0; i < 8; i++) next(pools);
  pools.release(parsePrefix("10.0.5.0/24")!);
  pools.release(parsePrefix("10.0.3.0/24")!);
  expect([next(pools), next(pools)]).toEqual(["10.0.3.0/24", "10.0.5.0/24"]);
  expect(() => next(pools)).toThrow("fully subnetted");
});

test("one that is named must not share addresses with another, larger or smaller", () => {
  const pools = new Pools([cut("10.0.0.0/8", 24)]);
  pools.take(parsePrefix("10.1.0.0/16")!);
  for (const text of ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8", "10.1.255.255/32"]) {
    expect(() => pools.take(parsePrefix(text)!)).toThrow(
      "invalid pool request: Pool overlaps with other one on this address space",
    );
  }
  pools.take(parsePrefix("10.0.0.0/16")!);
  expect(next(pools)).toBe("10.2.0.0/24");
});

test("another size may be asked for", () => {
  const pools = new Pools([cut("10.0.0.0/16", 24)]);
  expect(next(pools, [], 28)).toBe("10.0.0.0/28");
  expect(next(pools)).toBe("10.0.1.0/24");
  expect(next(pools, [], 28)).toBe("10.0.0.16/28");
  expect(() => next(pools, [], 8)).toThrow("invalid address pool");
});

test("the thousandth subnet takes no longer to find than the tenth", () => {
  const pools = new Pools([cut("10.0.0.0/8", 24)]);
  const hosts = index([]);
  const took = (count: number) => {
    const from = performance.now();
    for (let i = 0; i < count; i++) hosts.add(pools.takeAny(4, hosts));
    return (performance.now() - from) / count;
  };
  took(100);
  const early = took(100);
  took(1800);
  // Against a millisecond, which making a bridge takes at least.
  expect(took(100)).toBeLessThan(early + 0.5);
});
