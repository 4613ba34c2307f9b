/** POST /networks/create: Docker 29's checks, in its order and words; then one row, and the network's link and rules. */
import { randomBytes } from "node:crypto";
import { timeOf } from "../container/state.ts";
import { EngineError } from "../errors.ts";
import { nowNs } from "../log/time.ts";
import { parseGoBool } from "../strconv.ts";
import { emit, isPredefined, type NetworkContext } from "./context.ts";
import {
  advertising,
  type BridgeOptions,
  bridgeOptions,
  checkVlanOptions,
  ENABLE_IPV4,
  ENABLE_IPV6,
  isVlan,
} from "./driver-options.ts";
import { contains, type Family, overlaps, parseAddress, parsePrefix } from "./ipam/address.ts";
import type { PoolAsked } from "./ipam/ipam.ts";
import { byFamily, validatePools } from "./ipam/validate.ts";
import { checkLinkName } from "./link-name.ts";
import { make, unmake } from "./make.ts";
import type { IpamPool, NetworkDriver, NetworkRecord } from "./types.ts";

export interface CreateNetworkRequest {
  Name?: string | null;
  Driver?: string | null;
  Scope?: string | null;
  EnableIPv4?: boolean | null;
  EnableIPv6?: boolean | null;
  IPAM?: {
    Driver?: string | null;
    Options?: Record<string, string> | null;
    Config?:
      | {
          Subnet?: string | null;
          IPRange?: string | null;
          Gateway?: string | null;
          AuxiliaryAddresses?: Record<string, string> | null;
        }[]
      | null;
  } | null;
  Internal?: boolean | null;
  Attachable?: boolean | null;
  Ingress?: boolean | null;
  ConfigOnly?: boolean | null;
  ConfigFrom?: { Network?: string | null } | null;
  Options?: Record<string, string> | null;
  Labels?: Record<string, string> | null;
}

const NO_SWARM =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

export async function create(ctx: NetworkContext, request: CreateNetworkRequest): Promise<{ Id: string }> {
  const record = plan(ctx, request);
  if (record.configOnly) {
    ctx.store.putNetwork(record);
  } else {
    try {
      ctx.store.putNetwork(record);
      await make(ctx, record);
    } catch (error) {
      await unmake(ctx, record).catch((cause: Error) =>
        ctx.warn(`taking back network ${record.name}: ${cause.message}`),
      );
      ctx.store.removeNetwork(record);
      ctx.ipam.releaseNetwork(record.id);
      throw error;
    }
  }
  emit(ctx, record, "create");
  return { Id: record.id };
}

/** The record with its addresses taken, if nothing is wrong. Runs in one turn: two of one name cannot both pass. */
function plan(ctx: NetworkContext, request: CreateNetworkRequest): NetworkRecord {
  const name = request.Name ?? "";
  if (isPredefined(name)) {
    throw new EngineError("forbidden", `operation is not permitted on predefined ${name} network `);
  }
  const driver = request.Driver || "bridge";
  if (driver === "overlay") throw new EngineError("forbidden", NO_SWARM);
  const record = readRequest(ctx, name, driver, request);
  const asked = readIpam(request, record.enableIPv6);
  record.ipam.driver = request.IPAM?.Driver || "default";
  record.ipam.options = request.IPAM?.Options ?? null;
  if (name.trim() === "") throw new EngineError("invalid", "invalid name: name is empty");
  if (ctx.store.byName(name)) {
    throw new EngineError("conflict", `network with name ${name} already exists`);
  }
  checkConfiguration(record, request, asked);
  if (record.configOnly) {
    record.driver = "null";
    record.ipam.pools = [...asked[4], ...asked[6]].map((pool) => ({ ...pool, subnet: pool.subnet ?? "" }));
    return record;
  }
  checkDriver(driver, request);
  record.driver = driver as NetworkDriver;
  const given = record.configFrom === "" ? asked : applyConfiguration(ctx, record);
  if (record.ipam.driver !== "default" && record.ipam.driver !== "null") {
    throw new EngineError("notFound", `plugin ${JSON.stringify(record.ipam.driver)} not found`);
  }
  planDriver(ctx, record, given);
  return record;
}

function readRequest(
  ctx: NetworkContext,
  name: string,
  driver: string,
  request: CreateNetworkRequest,
): NetworkRecord {
  const options = { ...request.Options };
  if (!request.ConfigFrom) {
    for (const [key, value] of Object.entries(ctx.config.defaultOptions[driver] ?? {})) {
      options[key] ??= value;
    }
  }
  const enabled = (sent: boolean | null | undefined, label: string, otherwise: boolean): boolean => {
    if (sent !== undefined && sent !== null) {
      delete options[label];
      return sent;
    }
    const value = options[label];
    if (value === undefined) return otherwise;
    try {
      return parseGoBool(value);
    } catch {
      throw new EngineError("invalid", `driver-opt ${JSON.stringify(label)} is not a valid bool`);
    }
  };
  return {
    id: randomBytes(32).toString("hex"),
    name,
    created: timeOf(nowNs()),
    driver: "null",
    enableIPv4: enabled(request.EnableIPv4, ENABLE_IPV4, true),
    enableIPv6: enabled(request.EnableIPv6, ENABLE_IPV6, false),
    internal: request.Internal ?? false,
    attachable: request.Attachable ?? false,
    configOnly: request.ConfigOnly ?? false,
    configFrom: request.ConfigFrom?.Network ?? "",
    options,
    labels: { ...request.Labels },
    ipam: { driver: "default", options: null, pools: [] },
    link: "",
    ownsLink: false,
    predefined: false,
  };
}

function readIpam(request: CreateNetworkRequest, ipv6: boolean): Record<Family, PoolAsked[]> {
  const pools = (request.IPAM?.Config ?? []).map(
    ({ Subnet, IPRange, Gateway, AuxiliaryAddresses }): PoolAsked => ({
      ...(Subnet && { subnet: Subnet }),
      ...(IPRange && { ipRange: IPRange }),
      ...(Gateway && { gateway: Gateway }),
      ...(AuxiliaryAddresses && { auxiliary: AuxiliaryAddresses }),
    }),
  );
  validatePools(pools, ipv6);
  return byFamily(pools);
}

/** What a network made of another's configuration, and that other, must not say. */
function checkConfiguration(
  record: NetworkRecord,
  request: CreateNetworkRequest,
  asked: Record<Family, PoolAsked[]>,
): void {
  const forbidden = (message: string): EngineError => new EngineError("forbidden", message);
  if (record.configOnly) {
    if (request.Ingress || record.internal || record.attachable || request.Scope) {
      throw forbidden(
        "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
      );
    }
  }
  if (record.configFrom === "") {
    advertising(record.options);
    return;
  }
  if (record.configOnly) {
    throw forbidden("a configuration network cannot depend on another configuration network");
  }
  if (
    record.ipam.driver !== "default" ||
    !record.enableIPv4 ||
    record.enableIPv6 ||
    Object.keys(record.labels).length > 0 ||
    Object.keys(record.ipam.options ?? {}).length > 0 ||
    asked[4].length + asked[6].length > 0
  ) {
    throw forbidden(
      "user-specified configurations are not supported if the network depends on a configuration network",
    );
  }
  if (Object.keys(record.options).length > 0) {
    throw forbidden(
      "network driver options are not supported if the network depends on a configuration network",
    );
  }
}

function checkDriver(driver: string, request: CreateNetworkRequest): void {
  if (driver === "host" || driver === "null") {
    throw new EngineError("forbidden", `only one instance of ${JSON.stringify(driver)} network is allowed`);
  }
  if (driver !== "bridge" && !isVlan(driver)) {
    throw new EngineError("notFound", `plugin ${JSON.stringify(driver)} not found`);
  }
  if (request.Ingress) {
    throw new EngineError("forbidden", "Ingress network can only be global scope network");
  }
  if (request.Scope === "swarm") {
    throw new EngineError("forbidden", "cannot create a swarm scoped network when swarm is not active");
  }
}

function applyConfiguration(ctx: NetworkContext, record: NetworkRecord): Record<Family, PoolAsked[]> {
  const source = ctx.store.byName(record.configFrom);
  if (!source?.configOnly) {
    throw new EngineError(
      "notFound",
      `configuration network ${JSON.stringify(record.configFrom)} does not exist`,
    );
  }
  record.enableIPv4 = source.enableIPv4;
  record.enableIPv6 = source.enableIPv6;
  record.labels = { ...source.labels };
  record.options = { ...source.options };
  record.ipam.driver = source.ipam.driver;
  record.ipam.options = source.ipam.options;
  return byFamily(source.ipam.pools);
}

/** What is the driver's to say, and the addresses. */
function planDriver(ctx: NetworkContext, record: NetworkRecord, asked: Record<Family, PoolAsked[]>): void {
  const bridge = record.driver === "bridge" ? bridgeOptions(record.options) : undefined;
  if (bridge) planBridge(record, bridge);
  else planParent(ctx, record);
  if (bridge && !record.enableIPv4 && !record.enableIPv6) {
    throw new EngineError("invalid", "IPv4 or IPv6 must be enabled");
  }
  if (record.ipam.driver === "null" && (record.enableIPv4 || record.enableIPv6)) {
    throw new EngineError("invalid", `ipv${record.enableIPv4 ? 4 : 6} pool is empty`);
  }
  const wants = (mode: string | undefined): boolean => mode !== undefined && mode !== "isolated";
  const skips4 = (bridge?.inhibit4 ?? false) && record.internal;
  record.ipam.pools = ctx.ipam.takeNetwork(record.id, [
    ...(record.enableIPv4
      ? [{ family: 4 as const, pools: asked[4], wantsGateway: wants(bridge?.mode4) && !skips4 }]
      : []),
    ...(record.enableIPv6
      ? [{ family: 6 as const, pools: asked[6], wantsGateway: wants(bridge?.mode6) }]
      : []),
  ]);
  try {
    if (bridge) checkBridge(ctx, record, bridge);
  } catch (error) {
    ctx.ipam.releaseNetwork(record.id);
    throw error;
  }
}

function planBridge(record: NetworkRecord, options: BridgeOptions): void {
  record.link = options.name || `br-${record.id.slice(0, 12)}`;
  checkLinkName(record.link);
  if ((options.mode4 === "isolated" || options.mode6 === "isolated") && !record.internal) {
    throw new EngineError("internal", "gateway mode 'isolated' can only be used for an internal network");
  }
}

function planParent(ctx: NetworkContext, record: NetworkRecord): void {
  const { driver, id, options } = record;
  if (!isVlan(driver)) return;
  checkVlanOptions(driver, options);
  record.link = options.parent || `${driver === "macvlan" ? "dm" : "di"}-${id.slice(0, 12)}`;
  record.ownsLink = ctx.wiring.ownerOf(record.link) === undefined;
  const passthru = options.macvlan_mode === "passthru";
  for (const other of ctx.store.onLink(record.link)) {
    if (other.driver !== driver) continue;
    if (driver === "ipvlan") {
      throw new EngineError(
        "internal",
        `network di-${other.id.slice(0, 12)} is already using parent interface ${record.link}`,
      );
    }
    if (passthru) {
      throw new EngineError(
        "internal",
        `cannot use mode passthru, macvlan network ${other.id} is already using parent interface ${record.link}`,
      );
    }
    if (other.options.macvlan_mode === "passthru") {
      throw new EngineError(
        "internal",
        `macvlan network ${other.id} is already using parent interface ${record.link} in mode passthru`,
      );
    }
    record.ownsLink ||= other.ownsLink;
  }
}

function checkBridge(ctx: NetworkContext, record: NetworkRecord, options: BridgeOptions): void {
  const pools = record.ipam.pools.map((pool) => ({ ...pool, prefix: parsePrefix(pool.subnet)! }));
  for (const family of [4, 6] as const) {
    if (pools.filter(({ prefix }) => prefix.address.family === family).length > 1) {
      throw new EngineError("forbidden", "bridge driver doesn't support multiple subnets");
    }
  }
  if (options.mtu < 0) throw new EngineError("invalid", `invalid MTU number: ${options.mtu}`);
  for (const pool of pools) checkBridgePool(pool);
  for (const other of ctx.store.onLink(record.link)) {
    if (other.driver !== "bridge" || other.configOnly) continue;
    throw new EngineError(
      "forbidden",
      `cannot create network ${record.id} (${record.link}): conflicts with network ${other.id} (${other.link}): networks have same bridge name`,
    );
  }
}

const LINK_LOCAL = parsePrefix("fe80::/64")!;

function checkBridgePool({
  subnet,
  gateway,
  prefix,
}: IpamPool & { prefix: ReturnType<typeof parsePrefix> }): void {
  if (prefix?.address.family !== 6) return;
  const invalid = (message: string): EngineError => new EngineError("invalid", message);
  const shown = gateway ? `${gateway}/${prefix.bits}` : subnet;
  if (prefix.address.value >> 120n === 0xffn) {
    throw invalid(`multicast subnet '${shown}' is not allowed`);
  }
  if (overlaps(prefix, LINK_LOCAL) && subnet !== "fe80::/64") {
    throw invalid(`'${shown}' clashes with the Link-Local prefix 'fe80::/64'`);
  }
  if (gateway && !contains(prefix, parseAddress(gateway)!)) {
    throw invalid("default gateway ip must be part of the network");
  }
}
