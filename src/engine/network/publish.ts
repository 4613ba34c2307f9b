/** What a container publishes, and through which of its endpoints. */
import type { HostConfig } from "../container/config.ts";
import type { Container } from "../container/container.ts";
import { EngineError } from "../errors.ts";
import { isSix } from "./bindings.ts";
import type { NetworkContext } from "./context.ts";
import { type BridgeOptions, bridgeOptions } from "./driver-options.ts";
import type { EndpointRecord, NetworkRecord, PortBinding, PortRequest } from "./types.ts";

type Protocol = PortRequest["protocol"];

/** `80/tcp`, in one form. */
export function parsePort(text: string): { port: number; protocol: Protocol } {
  const [number, protocol = "tcp"] = text.split("/") as [string, string?];
  return { port: Number(number), protocol: protocol.toLowerCase() as Protocol };
}

/** What a container asks for, when it starts. @throws EngineError invalid for a host port that is none */
export function requestsOf({ record: { config, hostConfig: h } }: Container): PortRequest[] {
  const bindings: HostConfig["PortBindings"] = { ...h.PortBindings };
  const any = [{ HostIp: "", HostPort: "" }];
  if (h.PublishAllPorts) {
    for (const port of [...Object.keys(bindings), ...Object.keys(config.ExposedPorts ?? {})]) {
      if (!bindings[port]?.length) bindings[port] = any;
    }
  }
  return requestsOfBindings(bindings);
}

/** A port without bindings asks for nothing. @throws EngineError invalid for a host port that is none */
export function requestsOfBindings(bindings: HostConfig["PortBindings"]): PortRequest[] {
  return Object.entries(bindings).flatMap(([key, list]) => {
    const { port: containerPort, protocol } = parsePort(key);
    return (list ?? []).map(({ HostIp, HostPort }): PortRequest => {
      const [start, end] = parseRange(HostPort ?? "");
      return { protocol, containerPort, hostIp: HostIp ?? "", hostPortStart: start, hostPortEnd: end };
    });
  });
}

function parseRange(text: string): [number, number] {
  if (text === "") return [0, 0];
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (!match) {
    throw new EngineError("internal", `error parsing HostPort value(${text}):invalid port range`);
  }
  return [Number(match[1]), Number(match[2] ?? match[1])];
}

/**
 * Publishes through one endpoint, beside what of its ports is `kept` (the others are given back), for the families that
 * it gives the route of. Ports that the network does not translate are open at the container's own address, and take none
 * of the host's.
 * @throws EngineError `driver failed programming external connectivity on endpoint NAME (ID): …`
 */
export async function publish(
  ctx: NetworkContext,
  container: Container,
  endpoint: EndpointRecord,
  asked: readonly PortRequest[],
  family: { four: boolean; six: boolean },
  kept: readonly PortBinding[] = [],
): Promise<PortBinding[]> {
  const network = ctx.store.network(endpoint.network)!;
  if (network.driver !== "bridge" || asked.length + endpoint.ports.length === 0) return [];
  const options = bridgeOptions(network.options);
  const open = openPorts(asked, options, family);
  const translated = {
    four: family.four && options.mode4.startsWith("nat"),
    six: family.six && options.mode6.startsWith("nat"),
  };
  if (!translated.four && !translated.six) return open;
  const binding = bindingOf(options);
  const requests = asked.map((one) => (one.hostIp === "" && binding ? { ...one, hostIp: binding } : one));
  try {
    return [...open, ...(await ctx.ports.publish(endpoint, requests, translated, kept))];
  } catch (error) {
    throw new EngineError(
      "internal",
      `driver failed programming external connectivity on endpoint ${container.name.slice(1)} (${endpoint.id}): ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function openPorts(
  asked: readonly PortRequest[],
  { mode4, mode6 }: BridgeOptions,
  { four, six }: { four: boolean; six: boolean },
): PortBinding[] {
  return asked.flatMap(({ protocol, containerPort, hostIp }) => {
    // Where nothing is translated, an address says of which family a port is, and no more.
    const [wants4, wants6] = hostIp === "" ? [four, six] : [four && !isSix(hostIp), six && isSix(hostIp)];
    return [
      ...(wants4 && mode4 === "routed" ? [{ protocol, containerPort, hostIp: "0.0.0.0", hostPort: 0 }] : []),
      ...(wants6 && mode6 === "routed" ? [{ protocol, containerPort, hostIp: "::", hostPort: 0 }] : []),
    ];
  });
}

/** Where the network publishes what says no address; undefined: anywhere. */
const bindingOf = ({ bindingIp }: BridgeOptions): string | undefined =>
  bindingIp === "" || bindingIp === "0.0.0.0" || bindingIp === "::" ? undefined : bindingIp;

/** As inspect shows them: by the container's port; null where it is exposed only. */
export function portsView(
  { record: { config, hostConfig: h } }: Container,
  endpoints: readonly { network: NetworkRecord; endpoint: EndpointRecord }[],
): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const { network, endpoint } of endpoints) {
    if (network.driver !== "bridge" || network.internal) continue;
    for (const key of [...Object.keys(config.ExposedPorts ?? {}), ...Object.keys(h.PortBindings)]) {
      const { port, protocol } = parsePort(key);
      ports[`${port}/${protocol}`] ??= null;
    }
    for (const { protocol, containerPort, hostIp, hostPort } of endpoint.ports) {
      const key = `${containerPort}/${protocol}`;
      const list = ports[key] ?? [];
      list.push({ HostIp: hostIp, HostPort: hostPort === 0 ? "" : String(hostPort) });
      ports[key] = list;
    }
  }
  return Object.fromEntries(Object.entries(ports).sort(([a], [b]) => (a < b ? -1 : 1)));
}
