import { expect, test } from "bun:test";
import {
  contains,
  formatAddress,
  formatPrefix,
  isLinkLocal,
  masked,
  overlaps,
  parseAddress,
  parsePrefix,
} from "../../../../../src/engine/network/ipam/address.ts";

test("addresses are read and written in their canonical form", () => {
  for (const [text, canonical] of [
    ["192.168.0.1", "192.168.0.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
  ] as const) {
    expect(formatAddress(parseAddress(text)!)).toBe(canonical);
  }
});

test("what is no address is not taken for one", () => {
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4.5",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "g::",
  ]) {
    expect(parseAddress(text)).toBeUndefined();
  }
  expect(parseAddress("fe80::1%eth0")).toBeUndefined();
});

test("prefixes keep their host bits until they are masked", () => {
  const prefix = parsePrefix("10.1.2.3/8")!;
  expect(formatPrefix(prefix)).toBe("10.1.2.3/8");
  expect(formatPrefix(masked(prefix))).toBe("10.0.0.0/8");
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/01", "10.0.0.0/x", "::/129"]) {
    expect(parsePrefix(text)).toBeUndefined();
  }
});

test("prefixes contain addresses of their family, and overlap what shares addresses with them", () => {
  const ten = parsePrefix("10.0.0.0/8")!;
  expect(contains(ten, parseAddress("10.255.255.255")!)).toBe(true);
  expect(contains(ten, parseAddress("11.0.0.0")!)).toBe(false);
  expect(contains(parsePrefix("::/0")!, parseAddress("1.2.3.4")!)).toBe(false);
  expect(overlaps(ten, parsePrefix("10.3.0.0/16")!)).toBe(true);
  expect(overlaps(parsePrefix("10.3.0.0/16")!, ten)).toBe(true);
  expect(overlaps(ten, parsePrefix("11.0.0.0/8")!)).toBe(false);
  expect(overlaps(parsePrefix("0.0.0.0/0")!, parsePrefix("::/0")!)).toBe(false);
  expect(isLinkLocal(parseAddress("169.254.1.1")!)).toBe(true);
  expect(isLinkLocal(parseAddress("febf::1")!)).toBe(true);
  expect(isLinkLocal(parseAddress("fec0::1")!)).toBe(false);
});
