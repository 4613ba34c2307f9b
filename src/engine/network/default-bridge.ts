/**
 * The predefined networks: `none`, `host`, and `bridge`, whose link is only made when a container first uses it. Its
 * record follows the daemon's options, but not while containers are in it.
 */
import { createHash } from "node:crypto";
import { timeOf } from "../container/state.ts";
import { EngineError } from "../errors.ts";
import { nowNs } from "../log/time.ts";
import type { DefaultBridgeConfig } from "./config.ts";
import type { NetworkContext } from "./context.ts";
import { GATEWAY4_AUX, GATEWAY6_AUX, MTU } from "./driver-options.ts";
import { formatAddress, formatPrefix, masked, parseAddress, parsePrefix } from "./ipam/address.ts";
import type { PoolAsked } from "./ipam/ipam.ts";
import { rangeProblems } from "./ipam/validate.ts";
import type { IpamPool, NetworkDriver, NetworkRecord } from "./types.ts";

const OPTION = "com.docker.network.bridge";
/** Bridges that are made when they are not there: ours, and Docker's. Others are the administrator's. */
const DEFAULT_NAME = /^(tsd\d+|docker0)$/;

/** Writes the rows that every daemon has. */
export function ensurePredefined(ctx: NetworkContext, engineId: string): void {
  for (const [name, driver] of [
    ["none", "null"],
    ["host", "host"],
  ] as const) {
    if (!ctx.store.byName(name)) ctx.store.putNetwork(predefined(engineId, name, driver));
  }
  const config = ctx.config.defaultBridge;
  const known = ctx.store.byName("bridge");
  if (known && ctx.store.countOf(known.id) > 0) {
    if (!sameConfig(known, config)) {
      ctx.warn("there are running containers, updated network configuration will not take effect");
    }
    return;
  }
  if (config.bridge === "none") {
    if (known) {
      ctx.store.removeNetwork(known);
      ctx.ipam.releaseNetwork(known.id);
    }
    return;
  }
  const problem = linkProblem(ctx, config.bridge);
  if (problem !== undefined) {
    const doing = 'Error initializing network controller: error creating default "bridge" network';
    throw new EngineError("forbidden", `${doing}: ${problem}`);
  }
  if (known && sameConfig(known, config)) return;
  if (known) ctx.ipam.releaseNetwork(known.id);
  const record: NetworkRecord = {
    ...predefined(engineId, "bridge", "bridge"),
    created: known?.created ?? timeOf(nowNs()),
    enableIPv6: config.ipv6,
    options: optionsOf(config),
    link: config.bridge,
  };
  if (record.link === "") {
    record.link = freeLink(ctx, "");
    record.options[`${OPTION}.name`] = record.link;
  }
  record.ipam.pools = takePools(ctx, record.id);
  ctx.store.putNetwork(record);
}

/**
 * Why the bridge that `--bridge` names cannot be used.
 * @source moby, daemon/libnetwork/drivers/bridge/{interface,setup_device}_linux.go
 */
function linkProblem(ctx: NetworkContext, name: string): string | undefined {
  if (name === "") return undefined;
  const kind = ctx.wiring.kindOf(name);
  if (kind === "bridge" || (kind === undefined && DEFAULT_NAME.test(name))) return undefined;
  return kind === undefined
    ? `bridge device with non default name ${name} must be created manually`
    : `existing interface ${name} is not a bridge`;
}

function takePools(ctx: NetworkContext, id: string): IpamPool[] {
  const config = ctx.config.defaultBridge;
  return ctx.ipam.takeNetwork(id, [
    { family: 4, pools: askedOf(ctx, config, 4), wantsGateway: true },
    ...(config.ipv6 ? [{ family: 6 as const, pools: askedOf(ctx, config, 6), wantsGateway: true }] : []),
  ]);
}

/** Ids that stay the same over restarts and are no other engine's. */
function predefined(engineId: string, name: string, driver: NetworkDriver): NetworkRecord {
  return {
    id: createHash("sha256").update(`${engineId} ${name}`).digest("hex"),
    name,
    created: timeOf(nowNs()),
    driver,
    enableIPv4: true,
    enableIPv6: false,
    internal: false,
    attachable: false,
    configOnly: false,
    configFrom: "",
    options: {},
    labels: {},
    ipam: { driver: "default", options: null, pools: [] },
    link: "",
    ownsLink: false,
    predefined: true,
  };
}

/** Docker's, with what was said of addresses beside them so that a change is seen. */
function optionsOf(config: DefaultBridgeConfig): Record<string, string> {
  return {
    [`${OPTION}.default_bridge`]: "true",
    [`${OPTION}.enable_icc`]: String(config.icc),
    [`${OPTION}.enable_ip_masquerade`]: String(config.masquerade),
    [`${OPTION}.host_binding_ipv4`]: config.bindingIp || "0.0.0.0",
    [`${OPTION}.name`]: config.bridge,
    [MTU]: String(config.mtu),
  };
}

function sameConfig(known: NetworkRecord, config: DefaultBridgeConfig): boolean {
  const { [`${OPTION}.name`]: name, ...options } = known.options;
  const { [`${OPTION}.name`]: wanted, ...others } = optionsOf(config);
  return (
    JSON.stringify(options) === JSON.stringify(others) &&
    (wanted === "" || name === wanted) &&
    known.enableIPv6 === config.ipv6 &&
    poolFits(known, config.bip, config.fixedCidr, config.gateway, 4) &&
    (!config.ipv6 || poolFits(known, config.bip6, config.fixedCidr6, config.gateway6, 6))
  );
}

function poolFits(
  { ipam }: NetworkRecord,
  bip: string,
  fixed: string,
  gateway: string,
  family: 4 | 6,
): boolean {
  const pool = ipam.pools.find(({ subnet }) => parsePrefix(subnet)!.address.family === family);
  if (!pool) return false;
  const key = family === 4 ? GATEWAY4_AUX : GATEWAY6_AUX;
  const own = bip ? parsePrefix(bip) : undefined;
  return (
    (own === undefined ||
      (pool.gateway === formatAddress(own.address) && pool.subnet === formatPrefix(masked(own)))) &&
    (pool.ipRange ?? "") === (fixed ? formatPrefix(masked(parsePrefix(fixed)!)) : "") &&
    (pool.auxiliary?.[key] ?? "") === gateway
  );
}

/**
 * @source moby, daemon/daemon_unix.go, getDefaultBridgeIPAMConf
 * @throws EngineError invalid when containers' addresses would not be in the bridge's subnet
 */
function askedOf(ctx: NetworkContext, config: DefaultBridgeConfig, family: 4 | 6): PoolAsked[] {
  const four = family === 4;
  const [bip, fixed, gateway] = four
    ? [config.bip, config.fixedCidr, config.gateway]
    : [config.bip6, config.fixedCidr6, config.gateway6];
  const asked: PoolAsked = {};
  const own = bip || userBridgeAddress(ctx, config.bridge, family);
  if (own) {
    const prefix = parsePrefix(own)!;
    asked.subnet = formatPrefix(masked(prefix));
    asked.gateway = formatAddress(prefix.address);
  }
  if (fixed) {
    const range = masked(parsePrefix(fixed)!);
    asked.ipRange = formatPrefix(range);
    asked.subnet ??= asked.ipRange;
    const [problem] = rangeProblems(range, parsePrefix(asked.subnet), family);
    if (problem !== undefined) throw new EngineError("invalid", problem);
  }
  if (gateway && parseAddress(gateway)) {
    asked.auxiliary = { [four ? GATEWAY4_AUX : GATEWAY6_AUX]: gateway };
  }
  return [asked];
}

/** A bridge that the user made brings its own address. */
function userBridgeAddress(ctx: NetworkContext, bridge: string, family: 4 | 6): string {
  if (bridge === "") return "";
  return (
    ctx.wiring.addressesOf(bridge).find((cidr) => {
      const prefix = parsePrefix(cidr);
      return (
        prefix?.address.family === family && !(family === 6 && prefix.address.value >> 64n === 0xfe80n << 48n)
      );
    }) ?? ""
  );
}

/**
 * Gives the default bridge a link's name that is free or ours, and another subnet where somebody took the same since;
 * the row has both before anything is made. A bridge that `--bridge` names has to be there.
 */
export function chooseBridge(ctx: NetworkContext, network: NetworkRecord): NetworkRecord {
  if (ctx.config.defaultBridge.bridge !== "") {
    // It may have gone since the start.
    const problem = linkProblem(ctx, network.link);
    if (problem !== undefined) throw new EngineError("internal", problem);
    return network;
  }
  const link = freeLink(ctx, network.link);
  const exists = ctx.wiring.ownerOf(link) === "ours";
  const changed: NetworkRecord = {
    ...network,
    link,
    options: { ...network.options, [`${OPTION}.name`]: link },
  };
  if (!exists && ctx.store.countOf(network.id) === 0 && isTaken(ctx, network)) {
    ctx.ipam.releaseNetwork(network.id);
    changed.ipam = { ...network.ipam, pools: takePools(ctx, network.id) };
  } else if (link === network.link) {
    return network;
  }
  ctx.store.putNetwork(changed);
  return changed;
}

function freeLink(ctx: NetworkContext, wanted: string): string {
  let link = wanted || "tsd0";
  for (let n = 1; ctx.wiring.ownerOf(link) === "other"; n++) link = `tsd${n}`;
  return link;
}

/** Somebody else on this host has come to use its subnet, which nobody asked for by name. */
function isTaken(ctx: NetworkContext, network: NetworkRecord): boolean {
  const { bip, bip6, fixedCidr, fixedCidr6 } = ctx.config.defaultBridge;
  if (bip || bip6 || fixedCidr || fixedCidr6) return false;
  const hosts = ctx.wiring.hostPrefixes();
  return network.ipam.pools.some(({ subnet }) => hosts.overlapping(parsePrefix(subnet)!));
}
