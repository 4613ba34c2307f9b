/** Decides what a container's endpoints will be: in which networks, with which addresses, links and routes. */
import { randomBytes, randomInt } from "node:crypto";
import type { EndpointSettings } from "../container/config.ts";
import type { Container } from "../container/container.ts";
import { EngineError } from "../errors.ts";
import type { NetworkContext } from "./context.ts";
import { bridgeOptions, ENDPOINT_IFNAME, GATEWAY4_AUX, GATEWAY6_AUX, isInternal } from "./driver-options.ts";
import { contains, type Family, isLinkLocal, parseAddress, parsePrefix } from "./ipam/address.ts";
import { checkLinkName } from "./link-name.ts";
import { randomMac } from "./mac.ts";
import { isUserDefined, networksOf } from "./settings.ts";
import { notFound } from "./store.ts";
import type { EndpointRecord, NetworkRecord } from "./types.ts";

export interface Wanted {
  /** The name that the container's settings are kept by. */
  key: string;
  network: NetworkRecord;
  settings: EndpointSettings;
}

/** The network of one of a container's settings. @throws EngineError notFound */
export function networkOf(ctx: NetworkContext, key: string, settings: EndpointSettings): NetworkRecord {
  const term = isUserDefined(key) && settings.NetworkID ? settings.NetworkID : key;
  const network = ctx.store.find(term);
  if (ctx.removing.has(network.id)) throw notFound(term);
  if (network.configOnly) {
    throw new EngineError("forbidden", "cannot create endpoint on configuration-only network");
  }
  return network;
}

/** What a container asks for, less the default network where there is none (`--bridge none`): it goes without. */
export function askedOf(
  { config }: Pick<NetworkContext, "config">,
  container: Container,
): [key: string, settings: EndpointSettings][] {
  const all = Object.entries(networksOf(container));
  return config.defaultBridge.bridge === "none" ? all.filter(([key]) => key !== "bridge") : all;
}

/**
 * The networks that it starts in: that of its network mode first, so that its link is `eth0`.
 * @throws EngineError invalid when they exclude each other, or the mode
 */
export function wantedOf(ctx: NetworkContext, container: Container): Wanted[] {
  const mode = container.record.hostConfig.NetworkMode;
  const wanted = askedOf(ctx, container)
    .map(([key, settings]) => ({ key, settings, network: networkOf(ctx, key, settings) }))
    .sort(
      (a, b) =>
        Number(isMode(b, mode)) - Number(isMode(a, mode)) || (a.network.name < b.network.name ? -1 : 1),
    );
  for (const { network } of wanted) checkMode(mode, network);
  for (const [at, { network }] of wanted.entries()) {
    for (const other of wanted.slice(at + 1)) checkTogether(network, other.network);
  }
  return wanted;
}

export const SHARING =
  "container sharing network namespace with another container or host cannot be connected to any other network";

/** The host's network is a container's from its creation, or never. @throws EngineError invalid */
export function checkMode(mode: string, { driver }: NetworkRecord): void {
  if (mode === "host" && driver !== "host") throw new EngineError("invalid", SHARING);
  if (mode !== "host" && driver === "host") {
    throw new EngineError(
      "invalid",
      "cannot connect container to host network - container must be created in host network mode",
    );
  }
}

/** Whether one container may be in both. @throws EngineError invalid */
export function checkTogether(one: NetworkRecord, other: NetworkRecord): void {
  if (one.driver === "host" || other.driver === "host") throw new EngineError("invalid", SHARING);
  if (one.name === "none" || other.name === "none") {
    throw new EngineError(
      "invalid",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
}

const isMode = ({ network }: Wanted, mode: string): boolean =>
  mode === network.name || network.id.startsWith(mode);

export const hasSandbox = ({ driver }: NetworkRecord): boolean => driver !== "host" && driver !== "null";

/**
 * Takes the addresses; what was taken is given back when one of them cannot be had. `names` are those of links that are
 * there already.
 */
export function planEndpoints(
  ctx: NetworkContext,
  container: Container,
  wanted: readonly Wanted[],
  names: readonly string[] = [],
): EndpointRecord[] {
  const planned: EndpointRecord[] = [];
  try {
    for (const one of wanted) {
      const used = [...names, ...planned.map(({ link }) => link)];
      planned.push(planEndpoint(ctx, container, one, used));
    }
  } catch (error) {
    for (const endpoint of planned) releaseAddresses(ctx, endpoint);
    throw error;
  }
  return planned;
}

function planEndpoint(
  ctx: NetworkContext,
  container: Container,
  { network, settings }: Wanted,
  used: readonly string[],
): EndpointRecord {
  const endpoint: EndpointRecord = {
    id: randomBytes(32).toString("hex"),
    network: network.id,
    container: container.id,
    hostLink: "",
    link: "",
    mac: "",
    linkLocal: [],
    default4: false,
    default6: false,
    driverOpts: settings.DriverOpts ?? {},
    ports: [],
  };
  if (!hasSandbox(network)) return endpoint;
  if (network.driver === "ipvlan" && settings.MacAddress) {
    throw new EngineError("internal", "ipvlan interfaces do not support custom mac address assignment");
  }
  endpoint.hostLink = `veth${randomBytes(4).toString("hex").slice(0, 7)}`;
  endpoint.link = linkName(network, settings, used);
  endpoint.mac = network.driver === "ipvlan" ? "" : settings.MacAddress || randomMac();
  endpoint.linkLocal = (settings.IPAMConfig?.LinkLocalIPs ?? []).map((text) => {
    const address = parseAddress(text);
    if (!address || !isLinkLocal(address)) {
      throw new EngineError("invalid", `invalid link local IP address: ${text}`);
    }
    return `${text}/${address.family === 4 ? 16 : 64}`;
  });
  const { IPv4Address, IPv6Address } = settings.IPAMConfig ?? {};
  try {
    if (network.enableIPv4) {
      endpoint.ipv4 = ctx.ipam.takeAddress(network, 4, IPv4Address || undefined);
      setGateway(network, endpoint, 4);
    }
    if (network.enableIPv6 && !refusesIpv6(container)) {
      endpoint.ipv6 = ctx.ipam.takeAddress(network, 6, IPv6Address || undefined);
      setGateway(network, endpoint, 6);
    }
  } catch (error) {
    releaseAddresses(ctx, endpoint);
    throw error;
  }
  return endpoint;
}

/** It has switched IPv6 off for itself. */
export const refusesIpv6 = ({ record }: Container): boolean =>
  record.hostConfig.Sysctls?.["net.ipv6.conf.all.disable_ipv6"] === "1";

export function releaseAddresses(ctx: NetworkContext, { network, ipv4, ipv6 }: EndpointRecord): void {
  if (ipv4) ctx.ipam.releaseAddress(network, ipv4);
  if (ipv6) ctx.ipam.releaseAddress(network, ipv6);
}

/** Its own, without their prefix lengths. */
export const addressesOf = ({ ipv4, ipv6 }: EndpointRecord): string[] =>
  [ipv4, ipv6].flatMap((cidr) => cidr?.split("/", 1)[0] ?? []);

function linkName(network: NetworkRecord, settings: EndpointSettings, used: readonly string[]): string {
  const asked = settings.DriverOpts?.[ENDPOINT_IFNAME];
  if (asked) {
    checkLinkName(asked);
    if (used.includes(asked)) {
      throw new EngineError(
        "internal",
        `failed to set interface name: an interface named ${JSON.stringify(asked)} is there already`,
      );
    }
    return asked;
  }
  const prefix = network.driver === "bridge" ? bridgeOptions(network.options).prefix : "eth";
  for (let n = 0; ; n++) {
    if (!used.includes(`${prefix}${n}`)) return `${prefix}${n}`;
  }
}

/** The router that the network offers this endpoint. */
function setGateway(network: NetworkRecord, endpoint: EndpointRecord, family: Family): void {
  const address = parsePrefix((family === 4 ? endpoint.ipv4 : endpoint.ipv6)!)!.address;
  if (isInternal(network)) return;
  if (network.driver === "ipvlan" && network.options.ipvlan_mode?.startsWith("l3")) return;
  const pool = network.ipam.pools.find(({ subnet }) => contains(parsePrefix(subnet)!, address));
  const gateway = pool?.auxiliary?.[family === 4 ? GATEWAY4_AUX : GATEWAY6_AUX] ?? pool?.gateway;
  if (gateway === undefined) return;
  if (family === 4) endpoint.gateway4 = gateway;
  else endpoint.gateway6 = gateway;
}

/** It can give its container a default route: over a router, or in macvlan and ipvlan over the link itself. */
export function givesRoute(network: NetworkRecord, endpoint: EndpointRecord, family: Family): boolean {
  if (!hasSandbox(network) || isInternal(network)) return false;
  const [address, gateway] =
    family === 4 ? [endpoint.ipv4, endpoint.gateway4] : [endpoint.ipv6, endpoint.gateway6];
  return address !== undefined && (gateway !== undefined || network.driver !== "bridge");
}

/** Of a container's endpoints, those that give the default routes. @source moby, libnetwork, Endpoint.Less */
export function chooseRoutes(
  ctx: NetworkContext,
  container: Container,
  endpoints: readonly EndpointRecord[],
): { four?: EndpointRecord; six?: EndpointRecord } {
  const all = Object.values(networksOf(container));
  const ranked = endpoints
    .flatMap((endpoint) => {
      const network = ctx.store.network(endpoint.network);
      if (!network) return [];
      const four = givesRoute(network, endpoint, 4);
      const six = givesRoute(network, endpoint, 6);
      const settings =
        all.find(({ NetworkID }) => NetworkID === network.id) ?? networksOf(container)[network.name];
      return [{ endpoint, network, four, six, priority: settings?.GwPriority ?? 0 }];
    })
    .sort(
      (a, b) =>
        b.priority - a.priority ||
        Number(a.network.internal) - Number(b.network.internal) ||
        Number(b.four) + Number(b.six) - Number(a.four) - Number(a.six) ||
        (a.network.name < b.network.name ? -1 : 1),
    );
  const four = ranked.find((one) => one.four)?.endpoint;
  const six = ranked.find((one) => one.six)?.endpoint;
  return { ...(four && { four }), ...(six && { six }) };
}

/** Where the keeper's sockets for names are: in a namespace where nothing else is bound yet. */
export function namesPorts(): { udp: number; tcp: number } {
  return { udp: randomInt(32768, 61000), tcp: randomInt(32768, 61000) };
}
