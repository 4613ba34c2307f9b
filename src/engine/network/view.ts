/** What inspect and list of containers show of their networks, in the order of Docker 29's fields. */
import type { EndpointSettings } from "../container/config.ts";
import type { Container } from "../container/container.ts";
import { isRunning } from "../container/state.ts";
import type { NetworkContext } from "./context.ts";
import { portsView } from "./publish.ts";
import { networksOf } from "./settings.ts";
import type { EndpointRecord, NetworkRecord } from "./types.ts";

/** A type, not an interface, so that routes may treat it as a record. */
export type EndpointView = {
  IPAMConfig: EndpointSettings["IPAMConfig"];
  Links: string[] | null;
  Aliases: string[] | null;
  DriverOpts: Record<string, string> | null;
  GwPriority: number;
  NetworkID: string;
  EndpointID: string;
  Gateway: string;
  IPAddress: string;
  MacAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  DNSNames: string[] | null;
};

export interface NetworkSettingsView {
  SandboxID: string;
  SandboxKey: string;
  Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
  Networks: Record<string, EndpointView>;
}

interface Joined {
  network: NetworkRecord;
  endpoint: EndpointRecord;
}

/** The endpoints that it has now. */
function joinedOf(ctx: NetworkContext, container: Container): Joined[] {
  if (!isRunning(container.state)) return [];
  return ctx.store.of(container.id).flatMap((endpoint) => {
    const network = ctx.store.network(endpoint.network);
    return network ? [{ network, endpoint }] : [];
  });
}

export function networkSettings(ctx: NetworkContext, container: Container): NetworkSettingsView {
  const joined = joinedOf(ctx, container);
  const sandbox = ctx.store.sandbox(container.id);
  const own = hasOwnNamespace(container);
  return {
    SandboxID: own ? container.id : "",
    // Without one of ours, the kernel's own name for it.
    SandboxKey: own ? (sandbox?.path ?? `/proc/${container.state.pid}/ns/net`) : "",
    Ports: portsView(container, joined),
    Networks: networksView(container, joined),
  };
}

/** Also when it has left all networks, or been started in none. */
function hasOwnNamespace({ state, record: { config, hostConfig } }: Container): boolean {
  return isRunning(state) && !config.NetworkDisabled && !hostConfig.NetworkMode.startsWith("container:");
}

function networksView(container: Container, joined: readonly Joined[]): Record<string, EndpointView> {
  return Object.fromEntries(
    Object.entries(networksOf(container)).map(([name, settings]) => [
      name,
      endpointView(
        container,
        settings,
        joined.find(({ network }) => network.name === name || network.id === settings.NetworkID),
      ),
    ]),
  );
}

const split = (cidr: string | undefined): [string, number] => {
  const [address = "", bits = "0"] = (cidr ?? "").split("/");
  return [address, Number(bits)];
};

function endpointView(
  { state }: Container,
  settings: EndpointSettings,
  joined: Joined | undefined,
): EndpointView {
  const { IPAMConfig, Links, Aliases, DriverOpts, GwPriority, NetworkID, DNSNames } = settings;
  const endpoint = joined?.endpoint;
  const [IPAddress, IPPrefixLen] = split(endpoint?.ipv4);
  const [GlobalIPv6Address, GlobalIPv6PrefixLen] = split(endpoint?.ipv6);
  // Before its first start, what was asked for.
  const asked = state.status === "created" ? settings.MacAddress : "";
  return {
    IPAMConfig,
    Links,
    Aliases,
    DriverOpts,
    GwPriority,
    NetworkID,
    EndpointID: endpoint?.id ?? "",
    Gateway: endpoint?.gateway4 ?? "",
    IPAddress,
    MacAddress: endpoint?.mac ?? asked,
    IPPrefixLen,
    IPv6Gateway: endpoint?.gateway6 ?? "",
    GlobalIPv6Address,
    GlobalIPv6PrefixLen,
    DNSNames,
  };
}

export interface PortSummary {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: string;
}

/** As `docker ps` gets them. */
export function networkSummary(
  ctx: NetworkContext,
  container: Container,
): { Ports: PortSummary[]; Networks: Record<string, EndpointView> } {
  const joined = joinedOf(ctx, container);
  const ports = Object.entries(portsView(container, joined)).flatMap(([key, bindings]): PortSummary[] => {
    const [number, Type] = key.split("/") as [string, string];
    const PrivatePort = Number(number);
    if (!bindings?.length) return [{ PrivatePort, Type }];
    return bindings.map(({ HostIp, HostPort }) => ({
      ...(HostIp && { IP: HostIp }),
      PrivatePort,
      ...(HostPort && { PublicPort: Number(HostPort) }),
      Type,
    }));
  });
  const networks = Object.entries(networksView(container, joined)).map(([name, view]) => [
    name,
    {
      ...view,
      IPAMConfig: shortIpam(view.IPAMConfig),
      Links: null,
      Aliases: null,
      DriverOpts: null,
      DNSNames: null,
    },
  ]);
  return { Ports: ports, Networks: Object.fromEntries(networks) };
}

function shortIpam(config: EndpointSettings["IPAMConfig"]): EndpointSettings["IPAMConfig"] {
  if (!config) return null;
  const { LinkLocalIPs: _, ...addresses } = config;
  return addresses;
}
