/**
 * The options that a network's driver knows, read from what was sent with `-o`. Those that none of them knows are kept
 * and mean nothing, as Docker has it.
 * @source moby, daemon/libnetwork/drivers/{bridge,macvlan,ipvlan}
 */
import { EngineError } from "../errors.ts";
import { parseGoBool, parseGoInt } from "../strconv.ts";
import { parseAddress } from "./ipam/address.ts";
import type { FirewallFamily, NetworkRecord } from "./types.ts";

export const ENABLE_IPV4 = "com.docker.network.enable_ipv4";
export const ENABLE_IPV6 = "com.docker.network.enable_ipv6";
export const MTU = "com.docker.network.driver.mtu";
export const ENDPOINT_IFNAME = "com.docker.network.endpoint.ifname";
export const ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls";
/** Names of auxiliary addresses that are a gateway for containers, in place of the bridge. */
export const GATEWAY4_AUX = "DefaultGatewayIPv4";
export const GATEWAY6_AUX = "DefaultGatewayIPv6";

export type GatewayMode = FirewallFamily["mode"];
const MODES: readonly string[] = ["nat", "nat-unprotected", "routed", "isolated"] satisfies GatewayMode[];

export interface BridgeOptions {
  /** Empty: `br-` and the start of the id. */
  name: string;
  mtu: number;
  icc: boolean;
  masquerade: boolean;
  mode4: GatewayMode;
  mode6: GatewayMode;
  trustedInterfaces: string[];
  /** The bridge itself gets no IPv4 address. */
  inhibit4: boolean;
  /** Empty: any address of the host. */
  bindingIp: string;
  /** Of the links' names in containers: `eth` unless said. */
  prefix: string;
  source4: string;
  source6: string;
}

const wrong = (label: string, value: string, reason: string): EngineError =>
  new EngineError("invalid", `failed to parse ${label} value: ${value} (${reason})`);

function parseMode(text: string): GatewayMode {
  if (MODES.includes(text)) return text as GatewayMode;
  throw new Error(`unknown gateway mode ${text}`);
}

function parseIp(text: string): string {
  if (parseAddress(text)) return text;
  throw new Error("nil ip");
}

type Parsers = { [label: string]: (value: string, options: BridgeOptions) => void };
const BRIDGE = "com.docker.network.bridge";

const PARSERS: Parsers = {
  [`${BRIDGE}.name`]: (value, options) => {
    options.name = value;
  },
  [MTU]: (value, options) => {
    options.mtu = parseGoInt(value);
  },
  [`${BRIDGE}.enable_ip_masquerade`]: (value, options) => {
    options.masquerade = parseGoBool(value);
  },
  [`${BRIDGE}.gateway_mode_ipv4`]: (value, options) => {
    options.mode4 = parseMode(value);
  },
  [`${BRIDGE}.gateway_mode_ipv6`]: (value, options) => {
    options.mode6 = parseMode(value);
  },
  [`${BRIDGE}.enable_icc`]: (value, options) => {
    options.icc = parseGoBool(value);
  },
  [`${BRIDGE}.trusted_host_interfaces`]: (value, options) => {
    options.trustedInterfaces = value.split(":").filter(Boolean);
  },
  [`${BRIDGE}.inhibit_ipv4`]: (value, options) => {
    options.inhibit4 = parseGoBool(value);
  },
  [`${BRIDGE}.default_bridge`]: (value) => {
    parseGoBool(value);
  },
  [`${BRIDGE}.host_binding_ipv4`]: (value, options) => {
    options.bindingIp = parseIp(value);
  },
  "com.docker.network.container_iface_prefix": (value, options) => {
    options.prefix = value;
  },
  "com.docker.network.host_ipv4": (value, options) => {
    options.source4 = parseIp(value);
  },
  "com.docker.network.host_ipv6": (value, options) => {
    options.source6 = parseIp(value);
  },
};

/** @throws EngineError invalid `failed to parse LABEL value: VALUE (REASON)` */
export function bridgeOptions(sent: Readonly<Record<string, string>>): BridgeOptions {
  const options: BridgeOptions = {
    name: "",
    mtu: 0,
    icc: true,
    masquerade: true,
    mode4: "nat",
    mode6: "nat",
    trustedInterfaces: [],
    inhibit4: false,
    bindingIp: "",
    prefix: "eth",
    source4: "",
    source6: "",
  };
  for (const [label, value] of Object.entries(sent)) {
    try {
      PARSERS[label]?.(value, options);
    } catch (error) {
      throw wrong(label, value, (error as Error).message);
    }
  }
  return options;
}

const ADVERTISE_COUNT = "com.docker.network.advertise_addr_nmsgs";
const ADVERTISE_MS = "com.docker.network.advertise_addr_ms";

/** How often a new endpoint's addresses are announced to their neighbours, and how far apart. @throws EngineError internal */
export function advertising(sent: Readonly<Record<string, string>>): { count: number; ms: number } {
  const problems: string[] = [];
  const read = (label: string, standard: number, range: [number, number], kind: string): number => {
    const value = sent[label];
    if (value === undefined) return standard;
    const number = /^[+-]?\d+$/.test(value) ? Number(value) : undefined;
    if (number === undefined)
      problems.push(`value for option ${label} ${JSON.stringify(value)} must be ${kind}`);
    else if (number < range[0] || number > range[1])
      problems.push(`${label} must be in the range ${range[0]} to ${range[1]}`);
    return number ?? standard;
  };
  const count = read(ADVERTISE_COUNT, 3, [0, 3], "an integer");
  const ms = read(ADVERTISE_MS, 1000, [100, 2000], "integer milliseconds");
  if (problems.length > 0) throw new EngineError("internal", problems.join("\n"));
  return { count, ms };
}

/** Checks what a macvlan or ipvlan network is asked for. @throws EngineError internal */
export function checkVlanOptions(driver: "macvlan" | "ipvlan", sent: Readonly<Record<string, string>>): void {
  const check = (key: string, allowed: string[], problem: (value: string) => string): void => {
    const value = sent[key];
    if (value && !allowed.includes(value)) throw new EngineError("internal", problem(value));
  };
  if (driver === "macvlan") {
    check(
      "macvlan_mode",
      ["bridge", "private", "passthru", "vepa"],
      (value) =>
        `requested macvlan mode '${value}' is not valid, 'bridge' mode is the macvlan driver default`,
    );
  } else {
    check(
      "ipvlan_mode",
      ["l2", "l3", "l3s"],
      (value) => `requested ipvlan mode '${value}' is not valid, 'l2' mode is the ipvlan driver default`,
    );
    check(
      "ipvlan_flag",
      ["bridge", "private", "vepa"],
      (value) => `requested ipvlan flag '${value}' is not valid, 'bridge' is the ipvlan driver default`,
    );
  }
  if (sent.parent === "lo") {
    throw new EngineError("internal", `loopback interface is not a valid ${driver} parent link`);
  }
}

/** Nothing leaves it: asked for, or without a parent. */
export function isInternal({ driver, internal, options }: NetworkRecord): boolean {
  return internal || ((driver === "macvlan" || driver === "ipvlan") && !options.parent);
}

export const isVlan = (driver: string): driver is "macvlan" | "ipvlan" =>
  driver === "macvlan" || driver === "ipvlan";
