/** The daemon's options for networks: dockerd's flags, their keys in daemon.json, and what the service is told of them. */
import type { NetworkConfig } from "../network/config.ts";
import { masked, parseAddress, parsePrefix, WIDTH } from "../network/ipam/address.ts";
import { type AddressPool, defaultPools } from "../network/ipam/pools.ts";
import type { Option } from "./options.ts";

/** One of `default-address-pools`, as the file has it. */
export interface PoolOption {
  base: string;
  size: number;
}

export interface NetworkOptions {
  bridge: string;
  bip: string;
  bip6: string;
  "fixed-cidr": string;
  "fixed-cidr-v6": string;
  "default-gateway": string;
  "default-gateway-v6": string;
  "default-address-pools": PoolOption[];
  "default-network-opts": Record<string, Record<string, string>>;
  mtu: number;
  icc: boolean;
  ip: string;
  "ip-forward": boolean;
  "ip-masq": boolean;
  ipv6: boolean;
  iptables: boolean;
  ip6tables: boolean;
  "userland-proxy": boolean;
  "firewall-backend": string;
  dns: string[];
  "dns-search": string[];
  "dns-opts": string[];
  "host-gateway-ips": string[];
}

export function networkDefaults(): NetworkOptions {
  return {
    bridge: "",
    bip: "",
    bip6: "",
    "fixed-cidr": "",
    "fixed-cidr-v6": "",
    "default-gateway": "",
    "default-gateway-v6": "",
    "default-address-pools": [],
    "default-network-opts": {},
    mtu: 1500,
    icc: true,
    ip: "0.0.0.0",
    "ip-forward": true,
    "ip-masq": true,
    ipv6: false,
    iptables: true,
    ip6tables: true,
    // Unlike dockerd's: the kernel forwards what comes over loopback, too.
    "userland-proxy": false,
    "firewall-backend": "",
    dns: [],
    "dns-search": [],
    "dns-opts": [],
    "host-gateway-ips": [],
  };
}

const checkCidr = (family: 4 | 6) => (text: string) =>
  text === "" || parsePrefix(text)?.address.family === family ? undefined : `invalid CIDR address: ${text}`;
const checkIp = (text: string) =>
  text === "" || parseAddress(text) ? undefined : `failed to parse IP: ${JSON.stringify(text)}`;
const checkListedIp = (text: string) => (parseAddress(text) ? undefined : `${text} is not an ip address`);
const checkBackend = (text: string) =>
  ["", "iptables", "nftables"].includes(text)
    ? undefined
    : 'invalid firewall-backend: allowed values are "iptables" and "nftables"';
const checkSearch = (text: string) =>
  /^(\.|[a-zA-Z0-9]([a-zA-Z0-9-_]*[a-zA-Z0-9])?(\.[a-zA-Z0-9-_]+)*\.?)$/.test(text.trim())
    ? undefined
    : `${text} is not a valid domain`;
const checkMtu = (text: string) => (Number(text) < 0 ? `invalid default MTU: ${text}` : undefined);

/** Of a pool as it is said with the flag. @throws Error in dockerd's words */
export function parsePool(text: string): PoolOption {
  const pool: PoolOption = { base: "", size: 0 };
  for (const field of text.split(",")) {
    const equals = field.indexOf("=");
    if (equals < 0) throw new Error(`invalid field '${field}' must be a key=value pair`);
    const [key, value] = [field.slice(0, equals).toLowerCase(), field.slice(equals + 1)];
    if (key === "base") {
      if (!parsePrefix(value)) {
        throw new Error(
          `invalid base prefix ${JSON.stringify(value)}: netip.ParsePrefix(${JSON.stringify(value)}): no '/'`,
        );
      }
      pool.base = value;
    } else if (key === "size") {
      if (!/^\d+$/.test(value)) {
        throw new Error(
          `invalid size value: ${JSON.stringify(text)} (must be integer): strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
        );
      }
      pool.size = Number(value);
    } else {
      throw new Error(`unexpected key '${key}' in '${field}'`);
    }
  }
  return pool;
}

/** @throws Error in dockerd's words */
export function addressPools(options: readonly PoolOption[]): AddressPool[] {
  return options.map(({ base, size }, at) => {
    const prefix = parsePrefix(base);
    if (!prefix || size === 0 || size > WIDTH[prefix.address.family]) {
      throw new Error(`network at index ${at} ({${base} ${size}}) is not in canonical form`);
    }
    if (prefix.bits > size) {
      throw new Error(
        `network at index ${at} ({${base} ${size}}) has a smaller prefix (/${prefix.bits}) than the target size of that pool (/${size})`,
      );
    }
    return { base: masked(prefix), size };
  });
}

/** Pools that are said take the place of Docker's; of IPv6 there is always one. */
export function poolsOf(options: readonly PoolOption[], engineId: string): AddressPool[] {
  const otherwise = defaultPools(engineId);
  if (options.length === 0) return otherwise;
  const said = addressPools(options);
  const six = (pool: AddressPool): boolean => pool.base.address.family === 6;
  return said.some(six) ? said : [...said, ...otherwise.filter(six)];
}

/** What can be said against them by themselves. @throws Error in dockerd's words */
export function checkNetworkOptions(options: NetworkOptions): void {
  checkBridge(options);
  checkIcc(options);
  addressPools(options["default-address-pools"]);
}

export function networkConfig(options: NetworkOptions): NetworkConfig {
  return {
    firewall: options["firewall-backend"] || "nftables",
    defaultBridge: {
      bridge: options.bridge,
      bip: options.bip,
      bip6: options.bip6,
      fixedCidr: options["fixed-cidr"],
      fixedCidr6: options["fixed-cidr-v6"],
      gateway: options["default-gateway"],
      gateway6: options["default-gateway-v6"],
      mtu: options.mtu,
      icc: options.icc,
      // Where there are no rules, inspect says that nothing is masqueraded, too, as it is with dockerd.
      masquerade: options["ip-masq"] && options.iptables,
      ipv6: options.ipv6,
      bindingIp: options.ip,
    },
    dns: options.dns,
    dnsSearch: options["dns-search"],
    dnsOptions: options["dns-opts"],
    hostGateways: options["host-gateway-ips"],
    linkVariables: process.env.DOCKER_KEEP_DEPRECATED_LEGACY_LINKS_ENV_VARS === "1",
    defaultOptions: options["default-network-opts"],
  };
}

/** A bridge that is named brings its own addresses. @source moby, daemon/daemon_unix.go, verifyDaemonSettings */
function checkBridge({ bridge, ...options }: NetworkOptions): void {
  const address = (["bip", "bip6"] as const).find((key) => options[key] !== "");
  if (bridge === "" || address === undefined) return;
  throw new Error(`You specified -b & --${address}, mutually exclusive options. Please specify only one`);
}

/** Containers are kept apart by rules. @source moby, daemon/daemon_unix.go, verifyDaemonSettings */
function checkIcc({ icc, iptables, ip6tables, ipv6 }: NetworkOptions): void {
  if (icc) return;
  const missing = !iptables ? "iptables" : ipv6 && !ip6tables ? "ip6tables" : undefined;
  if (missing === undefined) return;
  throw new Error(
    `You specified --${missing}=false with --icc=false. ICC=false uses ${missing} to function. Please set --icc or --${missing} to true`,
  );
}

const text = (key: keyof NetworkOptions, help: string, check?: Option["check"], word = "string"): Option => ({
  key,
  flag: key,
  kind: "string",
  word,
  help,
  ...(check && { check }),
});
const bool = (key: keyof NetworkOptions, help: string): Option => ({
  key,
  flag: key,
  kind: "bool",
  word: "",
  help,
});

export const NETWORK_OPTIONS: readonly Option[] = [
  { ...text("bridge", "Attach containers to a network bridge"), short: "b" },
  text("bip", "IPv4 address for the default bridge", checkCidr(4)),
  text("bip6", "IPv6 address for the default bridge", checkCidr(6)),
  text("fixed-cidr", "IPv4 subnet for the default bridge network", checkCidr(4)),
  text("fixed-cidr-v6", "IPv6 subnet for the default bridge network", checkCidr(6)),
  text("default-gateway", "Default gateway IPv4 address for the default bridge network", checkIp, "ip"),
  text("default-gateway-v6", "Default gateway IPv6 address for the default bridge network", checkIp, "ip"),
  {
    key: "default-address-pools",
    flag: "default-address-pool",
    kind: "pools",
    word: "pool-options",
    help: "Default address pools for node specific local networks",
  },
  {
    key: "default-network-opts",
    flag: "default-network-opt",
    kind: "mapmap",
    word: "mapmap",
    help: "Default network options",
  },
  {
    key: "mtu",
    flag: "mtu",
    kind: "int",
    word: "int",
    help: 'Set the MTU for the default "bridge" network',
    check: checkMtu,
  },
  bool("icc", "Enable inter-container communication for the default bridge network"),
  text("ip", "Host IP for port publishing from the default bridge network", checkIp, "ip"),
  bool("ip-forward", "Enable IP forwarding in system configuration"),
  bool("ip-masq", "Enable IP masquerading for the default bridge network"),
  bool("ipv6", "Enable IPv6 networking for the default bridge network"),
  bool("iptables", "Enable addition of firewall rules"),
  bool("ip6tables", "Enable addition of firewall rules for IPv6"),
  bool("userland-proxy", "Use userland proxy for loopback traffic"),
  text("firewall-backend", "Firewall backend to use, iptables or nftables", checkBackend),
  { key: "dns", flag: "dns", kind: "list", word: "list", help: "DNS server to use", check: checkListedIp },
  {
    key: "dns-search",
    flag: "dns-search",
    kind: "list",
    word: "list",
    help: "DNS search domains to use",
    check: checkSearch,
  },
  { key: "dns-opts", flag: "dns-opt", kind: "list", word: "list", help: "DNS options to use" },
  {
    key: "host-gateway-ips",
    flag: "host-gateway-ip",
    kind: "list",
    word: "list",
    help: "IP addresses that the special 'host-gateway' string in --add-host resolves to. Defaults to the IP addresses of the default bridge",
    check: checkListedIp,
  },
];
