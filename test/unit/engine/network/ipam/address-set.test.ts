import { expect, test } from "bun:test";
import {
  type Address,
  formatAddress,
  parseAddress,
  parsePrefix,
} from "../../../../../src/engine/network/ipam/address.ts";
import { AddressSet } from "../../../../../src/engine/network/ipam/address-set.ts";

const value = (text: string): bigint => parseAddress(text)!.value;
const text = (family: Address["family"], taken: bigint | undefined) =>
  taken === undefined ? undefined : formatAddress({ family, value: taken });

test("the lowest free address is given, but for the network's own and the broadcast", () => {
  const set = new AddressSet(parsePrefix("10.0.0.0/29")!);
  expect(Array.from({ length: 7 }, () => text(4, set.takeAny()))).toEqual([
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "10.0.0.5",
    "10.0.0.6",
    undefined,
  ]);
  set.remove(value("10.0.0.4"));
  set.remove(value("10.0.0.2"));
  expect(text(4, set.takeAny())).toBe("10.0.0.2");
  expect(text(4, set.takeAny())).toBe("10.0.0.4");
  expect(set.takeAny()).toBeUndefined();
});

test("both addresses of a point-to-point link are given", () => {
  const set = new AddressSet(parsePrefix("10.0.0.2/31")!);
  expect([set.takeAny(), set.takeAny(), set.takeAny()].map((one) => text(4, one))).toEqual([
    "10.0.0.2",
    "10.0.0.3",
    undefined,
  ]);
});

test("in IPv6 the last address is one like the others", () => {
  const set = new AddressSet(parsePrefix("fd00::/126")!);
  expect([set.takeAny(), set.takeAny(), set.takeAny(), set.takeAny()].map((one) => text(6, one))).toEqual([
    "fd00::1",
    "fd00::2",
    "fd00::3",
    undefined,
  ]);
});

test("a range is kept to, and knows what was taken outside of takeAny", () => {
  const set = new AddressSet(parsePrefix("10.0.0.0/16")!);
  const range = parsePrefix("10.0.5.0/30")!;
  expect(set.add(value("10.0.5.1"))).toBe(true);
  expect(set.add(value("10.0.5.1"))).toBe(false);
  expect(
    [set.takeAny(range), set.takeAny(range), set.takeAny(range), set.takeAny(range)].map((one) =>
      text(4, one),
    ),
  ).toEqual(["10.0.5.0", "10.0.5.2", "10.0.5.3", undefined]);
  expect(text(4, set.takeAny())).toBe("10.0.0.1");
  set.remove(value("10.0.5.2"));
  expect(text(4, set.takeAny(range))).toBe("10.0.5.2");
  expect(set.countIn(range)).toBe(4n);
  expect(set.size).toBe(7);
});

test("no address is given twice, whatever comes and goes", () => {
  const set = new AddressSet(parsePrefix("10.0.0.0/22")!);
  const held = new Set<bigint>();
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  for (let step = 0; step < 5000; step++) {
    if (held.size > 0 && random(3) === 0) {
      const gone = [...held][random(held.size)]!;
      held.delete(gone);
      set.remove(gone);
      continue;
    }
    const taken = set.takeAny();
    if (taken === undefined) {
      expect(held.size).toBe(1022);
      continue;
    }
    expect(held.has(taken)).toBe(false);
    held.add(taken);
  }
  expect(set.size).toBe(held.size + 2);
});
