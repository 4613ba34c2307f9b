import { expect, test } from "bun:test";
import { parseFlags } from "../../../../src/engine/daemon/flags.ts";
import {
  addressPools,
  checkNetworkOptions,
  networkConfig,
  networkDefaults,
  parsePool,
  poolsOf,
} from "../../../../src/engine/daemon/network-options.ts";
import { formatPrefix } from "../../../../src/engine/network/ipam/address.ts";

test("dockerd's flags for networks are read as dockerd does", () => {
  const { config } = parseFlags([
    ...[
      "--bip",
      "10.5.0.1/24",
      "--default-address-pool",
      "base=10.0.0.0/8,size=24",
      "--icc=false",
      "-b",
      "br9",
    ],
    ...["--default-network-opt", "bridge=com.docker.network.driver.mtu=1400", "--dns", "9.9.9.9"],
    ...["--host-gateway-ip", "192.0.2.1", "--host-gateway-ip", "2001:db8::1", "--mtu", "1400"],
  ]);
  expect(config).toMatchObject({
    bip: "10.5.0.1/24",
    "default-address-pools": [{ base: "10.0.0.0/8", size: 24 }],
    icc: false,
    bridge: "br9",
    "default-network-opts": { bridge: { "com.docker.network.driver.mtu": "1400" } },
    dns: ["9.9.9.9"],
    "host-gateway-ips": ["192.0.2.1", "2001:db8::1"],
    mtu: 1400,
  });
  for (const [words, message] of [
    [["--bip", "10.5.0.1"], "invalid CIDR address: 10.5.0.1"],
    [["--fixed-cidr-v6", "10.5.0.0/24"], "invalid CIDR address: 10.5.0.0/24"],
    [["--dns", "here"], "here is not an ip address"],
    [["--firewall-backend", "pf"], 'allowed values are "iptables" and "nftables"'],
    [["--default-address-pool", "base=10.0.0.0/8,foo=1"], "unexpected key 'foo' in 'foo=1'"],
    [["--mtu", "-1"], "invalid default MTU: -1"],
  ] as const) {
    expect(() => parseFlags(words)).toThrow(message);
  }
});

test("containers are not to be kept apart by rules that are not to be made", () => {
  const check = (words: object) => checkNetworkOptions({ ...networkDefaults(), icc: false, ...words });
  check({ ip6tables: false });
  expect(() => check({ iptables: false })).toThrow(
    "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true",
  );
  expect(() => check({ ip6tables: false, ipv6: true })).toThrow("Please set --icc or --ip6tables to true");
});

test("a bridge that is named is given no address", () => {
  const check = (words: object) => checkNetworkOptions({ ...networkDefaults(), ...words });
  expect(() => check({ bridge: "br9", bip: "1.2.3.4/24", bip6: "fd00::1/64" })).toThrow(
    "You specified -b & --bip, mutually exclusive options. Please specify only one",
  );
  expect(() => check({ bridge: "docker0", bip6: "fd00::1/64" })).toThrow(
    "You specified -b & --bip6, mutually exclusive options. Please specify only one",
  );
  check({ bip: "1.2.3.4/24" });
});

test("without IPv4's rules nothing is masqueraded, and inspect says so", () => {
  const config = (words: object) => networkConfig({ ...networkDefaults(), ...words }).defaultBridge;
  expect(config({ ip6tables: false }).masquerade).toBe(true);
  expect(config({ iptables: false }).masquerade).toBe(false);
});

test("pools are checked, and there is always one of IPv6", () => {
  expect(() => parsePool("10.0.0.0/8")).toThrow("invalid field '10.0.0.0/8' must be a key=value pair");
  expect(() => addressPools([{ base: "10.0.0.0/8", size: 0 }])).toThrow("is not in canonical form");
  expect(() => addressPools([{ base: "10.0.0.0/24", size: 16 }])).toThrow(
    "has a smaller prefix (/24) than the target size of that pool (/16)",
  );
  const pools = poolsOf([{ base: "10.1.2.3/8", size: 24 }], "engine");
  expect(pools.map(({ base, size }) => `${formatPrefix(base)} ${size}`)).toEqual([
    "10.0.0.0/8 24",
    expect.stringMatching(/^fd[0-9a-f]{2}:.*\/48 64$/),
  ]);
});
