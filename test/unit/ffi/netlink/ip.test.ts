import { describe, expect, test } from "bun:test";
import {
  addressBytes,
  addressText,
  lastOf,
  macBytes,
  macText,
  networkOf,
  prefix,
  prefixText,
} from "../../../../src/ffi/netlink/ip.ts";

describe("addresses", () => {
  test.each([
    ["10.1.2.3", "10.1.2.3"],
    ["::", "::"],
    ["::1", "::1"],
    ["fd00::", "fd00::"],
    ["FD00:0:0:1:0:0:0:2", "fd00:0:0:1::2"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ])("%s is written %s", (text, written) => {
    expect(addressText(addressBytes(text))).toBe(written);
  });

  test.each(["", "1.2.3", "1.2.3.256", "fe80::1%eth0", "1::2::3", "g::"])("%p is none", (text) => {
    expect(() => addressBytes(text)).toThrow(RangeError);
  });

  test("with a prefix length have a network and a last address", () => {
    expect(prefixText(networkOf(prefix("172.18.5.2/15")))).toBe("172.18.0.0/15");
    expect(prefixText(networkOf(prefix("fd00:1:2:3f::5/60")))).toBe("fd00:1:2:30::/60");
    expect(addressText(lastOf(prefix("172.18.0.2/16")))).toBe("172.18.255.255");
    expect(addressText(lastOf(prefix("172.18.0.2/31")))).toBe("172.18.0.3");
    expect(prefixText(networkOf(prefix("1.2.3.4/0")))).toBe("0.0.0.0/0");
    expect(() => prefix("1.2.3.4/33")).toThrow(RangeError);
    expect(() => prefix("::/129")).toThrow(RangeError);
    expect(() => prefix("::/x")).toThrow(RangeError);
  });

  test("of hardware", () => {
    expect(macText(macBytes("02:42:AC:11:00:02"))).toBe("02:42:ac:11:00:02");
    expect(() => macBytes("02:42:ac:11:00")).toThrow(RangeError);
  });
});
