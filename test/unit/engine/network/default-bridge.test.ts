import { expect, test } from "bun:test";
import { networkConfig, networkDefaults } from "../../../../src/engine/daemon/network-options.ts";
import type { NetworkContext } from "../../../../src/engine/network/context.ts";
import { ensurePredefined } from "../../../../src/engine/network/default-bridge.ts";
import { Ipam } from "../../../../src/engine/network/ipam/ipam.ts";
import { defaultPools } from "../../../../src/engine/network/ipam/pools.ts";
import { PrefixIndex } from "../../../../src/engine/network/ipam/prefix-index.ts";
import type { IpamPool, NetworkRecord } from "../../../../src/engine/network/types.ts";

/** The default network as the options make it, where the host has those links. */
function bridgeOf(
  options: object,
  addresses: string[] = [],
  links: Record<string, string> = { br0: "bridge" },
): NetworkRecord {
  const rows = new Map<string, NetworkRecord>();
  const ctx = {
    store: {
      byName: (name: string) => rows.get(name),
      putNetwork: (row: NetworkRecord) => rows.set(row.name, row),
      countOf: () => 0,
    },
    config: networkConfig({ ...networkDefaults(), ...options }),
    ipam: new Ipam(defaultPools("engine"), () => new PrefixIndex()),
    wiring: { ownerOf: () => undefined, kindOf: (name: string) => links[name], addressesOf: () => addresses },
  } as unknown as NetworkContext;
  ensurePredefined(ctx, "engine");
  return rows.get("bridge")!;
}

const poolsOf = (options: object, addresses?: string[]): IpamPool[] =>
  bridgeOf(options, addresses).ipam.pools;

test("containers' addresses are out of the bridge's subnet", () => {
  expect(poolsOf({ bip: "10.1.1.1/16", "fixed-cidr": "10.1.2.0/24" })).toEqual([
    { subnet: "10.1.0.0/16", ipRange: "10.1.2.0/24", gateway: "10.1.1.1" },
  ]);
  expect(() => poolsOf({ bip: "10.1.1.1/24", "fixed-cidr": "10.2.0.0/24" })).toThrow(
    "invalid ip-range 10.2.0.0/24: parent subnet 10.1.1.0/24 doesn't contain ip-range",
  );
  expect(() => poolsOf({ bip: "10.1.1.1/24", "fixed-cidr": "10.1.0.0/16" })).toThrow(
    "invalid ip-range 10.1.0.0/16: CIDR block is bigger than its parent subnet 10.1.1.0/24",
  );
  expect(() => poolsOf({ bridge: "br0", "fixed-cidr": "10.2.0.0/24" }, ["10.1.1.1/24"])).toThrow(
    "parent subnet 10.1.1.0/24 doesn't contain ip-range",
  );
});

test("a bridge that is named has to be there, unless it is ours to make", () => {
  expect(bridgeOf({ bridge: "br0" }).link).toBe("br0");
  expect(() => bridgeOf({ bridge: "nope" })).toThrow(
    'error creating default "bridge" network: bridge device with non default name nope must be created manually',
  );
  for (const bridge of ["docker0", "tsd0", "tsd12"]) expect(bridgeOf({ bridge }).link).toBe(bridge);
  for (const [bridge, kind] of [
    ["wan", "veth"],
    ["eth0", ""],
    ["tsd0", "dummy"],
  ] as const) {
    expect(() => bridgeOf({ bridge }, [], { [bridge]: kind })).toThrow(
      `existing interface ${bridge} is not a bridge`,
    );
  }
});
