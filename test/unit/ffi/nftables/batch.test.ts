import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addressBytes } from "../../../../src/ffi/inet.ts";
import { concatenate } from "../../../../src/ffi/netlink/attributes.ts";
import { Batch, type Element } from "../../../../src/ffi/nftables/batch.ts";
import {
  accept,
  counter,
  drop,
  goTo,
  jump,
  leave,
  masquerade,
} from "../../../../src/ffi/nftables/expressions.ts";
import {
  destinationChanged,
  dnatBy,
  dport,
  established,
  IP4,
  IP6,
  icmpType,
  iifname,
  is,
  isNot,
  l4proto,
  lookUp,
  nfproto,
  notOfThisHost,
  oifname,
  snatBy,
  toThisHost,
  within,
} from "../../../../src/ffi/nftables/fields.ts";
import { prefixElements } from "../../../../src/ffi/nftables/intervals.ts";
import {
  concatenated,
  DATA_TYPES,
  ifnameValue,
  protocolValue,
  serviceValue,
} from "../../../../src/ffi/nftables/types.ts";

const { ipv4, ipv6, protocol, service, ifname } = DATA_TYPES;
const prefix = (address: string, bits: number) => ({ address: addressBytes(address), bits });
/** nft begins a set of intervals with it; the kernel can do without. */
const NOTHING_BEFORE: Element = { key: new Uint8Array(4), ends: true };

/**
 * What nft 1.0.6 sent for ruleset.nft, taken from its sendmsg(2): message, flags, family header and attributes. It sends
 * chains, then sets, then rules, and numbers its sets.
 */
const NFT = readFileSync(join(import.meta.dir, "ruleset.hex"), "utf8")
  .trim()
  .split("\n");

function ours(): Batch {
  const batch = new Batch("inet", "golden").addTable("a table");
  batch.addChain("to-br0");
  batch.addChain("raw-prerouting", { type: "filter", hook: "prerouting", priority: -300 });
  batch.addChain("forward", { type: "filter", hook: "forward", priority: 0 });
  batch.addChain("publish");
  batch.addChain("nat-prerouting", { type: "nat", hook: "prerouting", priority: -100 });
  batch.addChain("nat-postrouting", { type: "nat", hook: "postrouting", priority: 100 });
  batch.addSet({ name: "published4", key: [ipv4, protocol, service], value: [ipv4, service] });
  batch.addElements("published4", [
    {
      key: concatenated([addressBytes("10.0.0.1"), protocolValue("tcp"), serviceValue(80)]),
      value: concatenated([addressBytes("172.17.0.2"), serviceValue(8080)]),
    },
  ]);
  batch.addSet({ name: "any6", key: [protocol, service], value: [ipv6, service], comment: "a map" });
  batch.addSet({ name: "direct4", key: [ipv4, ifname] });
  batch.addSet({ name: "endpoints4", key: [ipv4] });
  batch.addSet({ name: "subnets4", key: [ipv4], intervals: true });
  batch.addElements("subnets4", [
    NOTHING_BEFORE,
    ...prefixElements({ bytes: addressBytes("172.16.0.0"), length: 12 }),
  ]);
  batch.addSet({ name: "sources4", key: [ifname], value: [ipv4] });
  batch.addElements("sources4", [{ key: ifnameValue("br0"), value: addressBytes("1.2.3.4") }]);
  batch.addRule("to-br0", [...established(), accept()]);
  batch.addRule("to-br0", [...is(iifname, ifnameValue("br0")), accept()], "containers among themselves");
  batch.addRule("to-br0", [
    ...nfproto(IP6),
    ...is(l4proto, protocolValue("icmpv6")),
    ...is(icmpType, new Uint8Array([135])),
    accept(),
  ]);
  batch.addRule("to-br0", [counter(), drop()]);
  batch.addRule("raw-prerouting", [
    ...isNot(iifname, ifnameValue("lo")),
    ...nfproto(IP4),
    ...within(IP4.daddr, prefix("127.0.0.0", 8)),
    counter(),
    drop(),
  ]);
  batch.addRule("raw-prerouting", [
    ...nfproto(IP4),
    ...lookUp("endpoints4", [IP4.daddr], { id: 4 }),
    ...lookUp("direct4", [IP4.daddr, iifname], { not: true, id: 3 }),
    counter(),
    drop(),
  ]);
  batch.addRule("forward", [...is(oifname, ifnameValue("br0")), goTo("to-br0")]);
  batch.addRule("publish", [...nfproto(IP6), ...within(IP6.saddr, prefix("fe80::", 10)), leave()]);
  batch.addRule("publish", [...nfproto(IP4), ...dnatBy(IP4, "published4", [IP4.daddr, l4proto, dport], 1)]);
  batch.addRule("publish", dnatBy(IP6, "any6", [l4proto, dport], 2));
  batch.addRule("nat-prerouting", [...toThisHost(), jump("publish")]);
  batch.addRule("nat-postrouting", [
    ...destinationChanged(),
    ...nfproto(IP4),
    ...within(IP4.saddr, prefix("172.17.0.0", 16)),
    masquerade(),
  ]);
  batch.addRule("nat-postrouting", [
    ...isNot(oifname, ifnameValue("br0")),
    ...notOfThisHost(),
    ...nfproto(IP4),
    ...lookUp("subnets4", [IP4.saddr], { id: 5 }),
    masquerade(),
  ]);
  batch.addRule("nat-postrouting", snatBy(IP4, "sources4", [iifname], 6));
  return batch;
}

const MESSAGES = ours().messages.map(({ type, flags, body }) => {
  const hex = Buffer.from(concatenate(body)).toString("hex");
  return `${type & 0xff} ${(flags | 1).toString(16)} ${hex}`;
});

for (const [n, message] of NFT.entries()) {
  test(`message ${n + 1} is nft's, byte by byte`, () => expect(MESSAGES[n]).toBe(message));
}

test("there are no other messages", () => expect(MESSAGES.length).toBe(NFT.length));

test("elements go in messages that an attribute can hold", () => {
  const elements = Array.from({ length: 1201 }, (_, n) => ({ key: serviceValue(n) }));
  const sizes = new Batch("ip", "t")
    .addElements("s", elements)
    .messages.map(({ body }) => body.reduce((sum, part) => sum + part.length, 0));
  expect(sizes.length).toBe(3);
  expect(Math.max(...sizes)).toBeLessThan(65_536);
});

const shown = (address: string, bits: number): string[] =>
  prefixElements({ bytes: addressBytes(address), length: bits }).map(
    ({ key, ends }) => `${ends ? "end " : ""}${Buffer.from(key).toString("hex")}`,
  );

test("a prefix is an interval from its first address to the one behind it", () => {
  expect(shown("10.1.2.3", 8)).toEqual(["0a000000", "end 0b000000"]);
  expect(shown("192.168.255.64", 26)).toEqual(["c0a8ff40", "end c0a8ff80"]);
  expect(shown("192.168.255.192", 26)).toEqual(["c0a8ffc0", "end c0a90000"]);
  expect(shown("10.0.0.7", 32)).toEqual(["0a000007", "end 0a000008"]);
  expect(shown("fd00:0:0:ffff::1", 64)).toEqual([
    "fd0000000000ffff0000000000000000",
    "end fd000000000100000000000000000000",
  ]);
});

test("an interval up to the last address has no end", () => {
  expect(shown("255.255.255.128", 25)).toEqual(["ffffff80"]);
  expect(shown("0.0.0.0", 0)).toEqual(["00000000"]);
});
