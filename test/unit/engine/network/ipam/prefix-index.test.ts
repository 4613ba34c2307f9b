import { describe, expect, test } from "bun:test";
import {
  formatPrefix,
  masked,
  overlaps,
  parsePrefix,
} from "../../../../../src/engine/network/ipam/address.ts";
import { PrefixIndex } from "../../../../../src/engine/network/ipam/prefix-index.ts";

const of = (...texts: string[]) => new PrefixIndex(texts.map((text) => parsePrefix(text)!));
const found = (index: PrefixIndex, text: string) => {
  const one = index.overlapping(parsePrefix(text)!);
  return one && formatPrefix(one);
};

describe("what overlaps a prefix", () => {
  const index = of(
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "172.16.0.0/12",
    "192.168.7.9/32",
    "fd00::/64",
  );

  test.each([
    ["10.1.2.128/25", "10.0.0.0/8"],
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.0.0.0/7", "10.0.0.0/8"],
    ["172.31.255.255/32", "172.16.0.0/12"],
    ["192.168.0.0/16", "192.168.7.9/32"],
    ["192.168.7.9/32", "192.168.7.9/32"],
    ["fd00::1/128", "fd00::/64"],
    ["fd00::/16", "fd00::/64"],
    ["0.0.0.0/0", "10.0.0.0/8"],
  ])("%s: %s", (asked, expected) => expect(found(index, asked)).toBe(expected));

  test.each([
    "11.0.0.0/8",
    "9.255.255.0/24",
    "192.168.7.8/32",
    "192.168.8.0/24",
    "fd00:0:0:1::/64",
    "fc00::/16",
  ])("%s: nothing", (asked) => expect(found(index, asked)).toBeUndefined());
});

test("each is there once, without the bits beyond its length, and goes when it is taken out", () => {
  const index = of("10.1.2.3/16", "10.0.0.0/8");
  expect(index.add(parsePrefix("10.1.0.0/16")!)).toBe(false);
  expect([...index].map(formatPrefix)).toEqual(["10.0.0.0/8", "10.1.0.0/16"]);
  expect(index.delete(parsePrefix("10.0.0.0/8")!)).toBe(true);
  expect(index.delete(parsePrefix("10.0.0.0/8")!)).toBe(false);
  expect(found(index, "10.2.0.0/16")).toBeUndefined();
  expect(found(index, "10.1.9.0/24")).toBe("10.1.0.0/16");
  index.clear();
  expect([...index]).toEqual([]);
  expect(found(index, "10.1.9.0/24")).toBeUndefined();
});

test("it finds what a look at all of them finds", () => {
  // A generator of our own, so that a failure can be seen again.
  let state = 1;
  const random = (below: number): number => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  const any = () => ({
    address: { family: 4 as const, value: BigInt(random(1 << 12)) << 20n },
    bits: 4 + random(12),
  });
  const index = new PrefixIndex();
  for (let n = 0; n < 40; n++) index.add(any());
  const all = [...index];
  for (let n = 0; n < 2000; n++) {
    const one = any();
    const expected = all.filter((other) => overlaps(other, one));
    const answer = index.overlapping(one);
    if (expected.length === 0) expect(answer).toBeUndefined();
    else expect(expected).toContainEqual(answer!);
    if (n % 10 !== 0) continue;
    const gone = all.splice(random(all.length), 1)[0]!;
    expect(index.delete(gone)).toBe(true);
    const fresh = any();
    if (index.add(fresh)) all.push(masked(fresh));
  }
});
