import { expect, test } from "bun:test";
import { parsePrefix } from "../../../../../src/engine/network/ipam/address.ts";
import { Ipam } from "../../../../../src/engine/network/ipam/ipam.ts";
import { PrefixIndex } from "../../../../../src/engine/network/ipam/prefix-index.ts";
import type { NetworkRecord } from "../../../../../src/engine/network/types.ts";

const ipam = () => new Ipam([{ base: parsePrefix("10.0.0.0/8")!, size: 24 }], () => new PrefixIndex());
const net = (id: string) => ({ id, name: id }) as NetworkRecord;
const four = (pool: object, wantsGateway = true) => [{ family: 4 as const, pools: [pool], wantsGateway }];

test("a network gets a subnet and the first address as its gateway", () => {
  const one = ipam();
  expect(one.takeNetwork("a", four({}))).toEqual([{ subnet: "10.0.0.0/24", gateway: "10.0.0.1" }]);
  expect(one.takeAddress(net("a"), 4)).toBe("10.0.0.2/24");
  expect(one.takeAddress(net("a"), 4, "10.0.0.9")).toBe("10.0.0.9/24");
  expect(() => one.takeAddress(net("a"), 4, "10.0.0.9")).toThrow("Address already in use");
  expect(() => one.takeAddress(net("a"), 4, "10.0.0.1")).toThrow("Address already in use");
  expect(() => one.takeAddress(net("a"), 4, "10.9.0.1")).toThrow(
    "invalid address 10.9.0.1: It does not belong to any of this network's subnets",
  );
});

test("gateway, range and auxiliary addresses are kept", () => {
  const one = ipam();
  const asked = {
    subnet: "192.168.9.0/24",
    ipRange: "192.168.9.128/30",
    gateway: "192.168.9.254",
    auxiliary: { router: "192.168.9.128" },
  };
  expect(one.takeNetwork("a", four(asked))).toEqual([asked]);
  expect(one.takeAddress(net("a"), 4)).toBe("192.168.9.129/24");
  expect(one.takeAddress(net("a"), 4)).toBe("192.168.9.130/24");
  expect(one.takeAddress(net("a"), 4)).toBe("192.168.9.131/24");
  expect(() => one.takeAddress(net("a"), 4)).toThrow(
    "no available IPv4 addresses on this network's address pools: a (a)",
  );
  expect(one.takeAddress(net("a"), 4, "192.168.9.3")).toBe("192.168.9.3/24");
});

test("a gateway chosen for a range is the first of it", () => {
  expect(
    ipam().takeNetwork("a", four({ subnet: "192.168.9.0/24", ipRange: "192.168.9.64/26" }))[0]!.gateway,
  ).toBe("192.168.9.64");
});

test("no gateway is taken where none is wanted", () => {
  const one = ipam();
  expect(one.takeNetwork("a", four({}, false))).toEqual([{ subnet: "10.0.0.0/24" }]);
  expect(one.takeAddress(net("a"), 4)).toBe("10.0.0.1/24");
});

test("a failed network takes nothing", () => {
  const one = ipam();
  const bad = [...four({ subnet: "10.5.0.0/16" }), ...four({ subnet: "10.6.0.0/16", gateway: "10.7.0.1" })];
  expect(() => one.takeNetwork("a", bad)).toThrow(
    "failed to allocate gateway (10.7.0.1): requested address is out of range",
  );
  expect(one.takeNetwork("b", four({ subnet: "10.5.0.0/16" }))).toHaveLength(1);
  expect(one.takeNetwork("c", four({ subnet: "10.6.0.0/16" }))).toHaveLength(1);
});

test("what rows have is not given again", () => {
  const one = ipam();
  one.claimNetwork("a", [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1", auxiliary: { x: "10.0.0.2" } }]);
  one.claimAddress("a", "10.0.0.3/24");
  expect(one.takeAddress(net("a"), 4)).toBe("10.0.0.4/24");
  expect(one.takeNetwork("b", four({}))[0]!.subnet).toBe("10.0.1.0/24");
  one.releaseAddress("a", "10.0.0.3/24");
  expect(one.takeAddress(net("a"), 4)).toBe("10.0.0.3/24");
  one.releaseNetwork("a");
  expect(one.takeNetwork("c", four({}))[0]!.subnet).toBe("10.0.0.0/24");
});

test("inspect's numbers are Docker's: the reserved ones count as in use", () => {
  const one = ipam();
  one.takeNetwork("a", four({ subnet: "10.99.0.0/24" }));
  one.takeAddress(net("a"), 4);
  expect(one.status("a")).toEqual({ "10.99.0.0/24": { IPsInUse: 4, DynamicIPsAvailable: 252 } });
});
