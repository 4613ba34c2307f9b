import { expect, test } from "bun:test";
import {
  endpointElements,
  networkElements,
} from "../../../../../src/engine/network/firewall/nftables/elements.ts";
import { FirewallState } from "../../../../../src/engine/network/firewall/state.ts";
import type { FirewallEndpoint, FirewallNetwork } from "../../../../../src/engine/network/types.ts";

const family = (subnet: string) => ({ subnet, gateway: "", mode: "nat" as const, masquerade: true });
const NETWORK: FirewallNetwork = {
  id: "n",
  bridge: "br-n",
  internal: false,
  icc: true,
  ipv4: family("10.1.0.0/24"),
  ipv6: family("fd01::/64"),
  trustedInterfaces: [],
};
const ENDPOINT: FirewallEndpoint = {
  id: "e",
  network: "n",
  hostLink: "veth1",
  ipv4: "10.1.0.2",
  ipv6: "fd01::2",
  ports: ["0.0.0.0", "::", "192.0.2.1"].map((hostIp) => ({
    protocol: "tcp",
    containerPort: 80,
    hostIp,
    hostPort: 8080,
  })),
  links: ["10.1.0.3", "fd01::3"].map((from) => ({ from, protocol: "tcp" as const, port: 80 })),
};

const names = (elements: ReturnType<typeof networkElements>): string[] =>
  [...elements.values()]
    .map(
      ({ table, set, element }) =>
        `${table === "bridge" ? "bridge " : ""}${set}${element.ends ? " end" : ""}`,
    )
    .sort();
const ofNetwork = (change: Partial<FirewallNetwork> = {}) =>
  names(networkElements({ ...NETWORK, ...change }));
const ofEndpoint = (change: Partial<FirewallNetwork> = {}) =>
  names(endpointElements(ENDPOINT, { ...NETWORK, ...change }));
const four = (change: object) => ({ ipv4: { ...family("10.1.0.0/24"), ...change }, ipv6: undefined! });

test("a network puts its bridge and its subnets into sets, and nothing for its size", () => {
  expect(ofNetwork()).toEqual([
    "bridges",
    "masqueraded4",
    "masqueraded6",
    "same-bridge",
    "subnets4",
    "subnets4 end",
    "subnets6",
    "subnets6 end",
  ]);
});

test("each kind of network is in the sets that say so", () => {
  expect(ofNetwork({ internal: true })).toEqual(["internal-bridges", "same-bridge"]);
  expect(ofNetwork({ internal: true, icc: false })).toContain("apart-bridges");
  expect(ofNetwork(four({ mode: "routed" }))).toEqual(["bridges", "routed4", "same-bridge"]);
  expect(ofNetwork(four({ mode: "nat-unprotected", masquerade: false }))).toEqual([
    "bridges",
    "same-bridge",
    "subnets4",
    "subnets4 end",
    "unprotected4",
  ]);
  expect(ofNetwork(four({ source: "192.0.2.9" }))).toContain("sources4");
  expect(ofNetwork(four({ source: "192.0.2.9" }))).not.toContain("masqueraded4");
  expect(
    ofNetwork({ trustedInterfaces: ["lan", "dmz"] }).filter((name) => name === "trusted-links"),
  ).toHaveLength(2);
});

test("an endpoint opens and publishes its ports, of internal networks none", () => {
  expect(ofEndpoint()).toEqual(["open4", "open6", "published4", "published4-any", "published6-any"]);
  expect(ofEndpoint(four({ mode: "routed" }))).toEqual(["open4"]);
  expect(ofEndpoint({ internal: true })).toEqual([]);
  expect(ofEndpoint({ icc: false }).filter((name) => /linked|isolated/.test(name))).toEqual([
    "bridge isolated-links",
    "bridge linked4",
    "bridge linked6",
    "linked4",
    "linked6",
  ]);
});

test("of a family that has no rules nothing is put", () => {
  const state = new FirewallState({ four: true, six: false });
  state.putNetwork(NETWORK);
  const network = state.networks.get("n")!;
  const all = [...names(networkElements(network)), ...names(endpointElements(ENDPOINT, network))];
  expect(all.filter((name) => name.includes("6"))).toEqual([]);
  expect(all).toContain("published4-any");
});
