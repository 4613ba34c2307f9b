/**
 * Links of the old kind, in the default bridge, which has no names: lines in /etc/hosts, and where containers must not
 * talk to each other, leave to talk to what the other exposes.
 */
import type { Container } from "../container/container.ts";
import { isRunning } from "../container/state.ts";
import { EngineError } from "../errors.ts";
import type { NetworkContext } from "./context.ts";
import { bridgeOptions } from "./driver-options.ts";
import { addressesOf } from "./endpoints.ts";
import { firewallEndpoint } from "./firewall-view.ts";
import { type HostsEntry, rewrite, withAddress, withoutName } from "./hosts-file.ts";
import { linkVariables } from "./link-variables.ts";
import { parseLink } from "./settings.ts";
import type { EndpointRecord, FirewallEndpoint } from "./types.ts";

interface Link {
  alias: string;
  child: Container;
}

/**
 * Those that a container asked for in the default bridge. Clients send those of other networks there, too; and where there
 * are no addresses, with `none`, Docker takes links and does nothing about them.
 */
function linksOf(ctx: NetworkContext, { record }: Container): Link[] {
  const { Links, NetworkMode } = record.hostConfig;
  if (NetworkMode !== "default" && NetworkMode !== "bridge") return [];
  return (Links ?? []).map((link) => {
    const { name, alias } = parseLink(link);
    return { alias, child: ctx.containers().find(name) };
  });
}

const inBridge = (ctx: NetworkContext, container: string): EndpointRecord | undefined => {
  const bridge = ctx.store.byName("bridge");
  return bridge && ctx.store.of(container).find(({ network }) => network === bridge.id);
};

/** Of what is linked to. @throws EngineError when it does not run, or, with `absent`, is not in the default network */
function linkedEndpoint(
  ctx: NetworkContext,
  container: Container,
  { alias, child }: Link,
  absent: string,
): EndpointRecord {
  const endpoint = inBridge(ctx, child.id);
  if (isRunning(child.state) && endpoint) return endpoint;
  throw new EngineError(
    "internal",
    isRunning(child.state)
      ? absent
      : `Cannot link to a non running container: ${child.name} AS ${container.name}/${alias}`,
  );
}

/**
 * Only for who is in the default network itself.
 * @source moby, daemon/container_operations.go, connectToNetwork
 * @throws EngineError when what is linked to does not run, or is in other networks alone
 */
export function linkedEntries(ctx: NetworkContext, container: Container): HostsEntry[] {
  if (!inBridge(ctx, container.id)) return [];
  return linksOf(ctx, container).flatMap((link) => {
    const { alias, child } = link;
    const absent = `Cannot link to ${child.name}, as it does not belong to the default network`;
    const endpoint = linkedEndpoint(ctx, container, link, absent);
    const own = child.name.slice(1);
    const names = [alias, child.record.config.Hostname, ...(alias === own ? [] : [own])].join(" ");
    return addressesOf(endpoint).map((address) => ({ address, names }));
  });
}

/**
 * Variables that links bring along, where the daemon is to set them.
 * @throws EngineError when what is linked to does not run, or has left the default network; also where it is not
 */
export function linkedVariables(ctx: NetworkContext, container: Container): string[] {
  if (!inBridge(ctx, container.id)) return [];
  return linksOf(ctx, container).flatMap((link) => {
    const { alias, child } = link;
    const absent = `container ${child.id} not attached to default bridge network`;
    const endpoint = linkedEndpoint(ctx, container, link, absent);
    if (!ctx.config.linkVariables) return [];
    const { Env, ExposedPorts } = child.record.config;
    return linkVariables({
      address: addressesOf(endpoint)[0] ?? "",
      name: `${container.name}/${alias}`,
      env: Env ?? [],
      ports: Object.keys(ExposedPorts ?? {}),
    });
  });
}

/** Containers that run and link to this one, by the alias that they have for it. */
export function parentsOf(ctx: NetworkContext, child: Container): { alias: string; parent: Container }[] {
  const parents: { alias: string; parent: Container }[] = [];
  for (const parent of ctx.containers().all()) {
    if (!parent.record.hostConfig.Links?.length || ctx.store.of(parent.id).length === 0) continue;
    try {
      for (const link of linksOf(ctx, parent)) {
        if (link.child === child) parents.push({ alias: link.alias, parent });
      }
    } catch (error) {
      // What it links to is gone.
      if (!(error instanceof EngineError)) throw error;
    }
  }
  return parents;
}

/** Who may reach which ports of `child` although its network's containers must not talk to each other. */
function allowedLinks(ctx: NetworkContext, child: Container): FirewallEndpoint["links"] {
  const { config, hostConfig } = child.record;
  const ports = new Set([...Object.keys(config.ExposedPorts ?? {}), ...Object.keys(hostConfig.PortBindings)]);
  return parentsOf(ctx, child).flatMap(({ parent }) => {
    const endpoint = inBridge(ctx, parent.id);
    if (!endpoint) return [];
    return addressesOf(endpoint).flatMap((from) =>
      [...ports].map((port) => {
        const [number, protocol = "tcp"] = port.split("/") as [string, ("tcp" | "udp" | "sctp")?];
        return { from, protocol, port: Number(number) };
      }),
    );
  });
}

/** The endpoint as the firewall is to know it. */
export function firewallView(
  ctx: NetworkContext,
  container: Container,
  endpoint: EndpointRecord,
): FirewallEndpoint {
  const network = ctx.store.network(endpoint.network);
  const apart = network?.predefined && !bridgeOptions(network.options).icc;
  return firewallEndpoint(endpoint, apart ? allowedLinks(ctx, container) : undefined);
}

/** Those that link to it look for it where it is now. */
export function updateParents(ctx: NetworkContext, child: Container): void {
  const endpoint = inBridge(ctx, child.id);
  if (!endpoint) return;
  for (const { alias, parent } of parentsOf(ctx, child)) {
    for (const address of addressesOf(endpoint)) {
      rewrite(ctx.files(parent.id).hosts, (text) => withAddress(text, alias, address));
    }
  }
}

/** A link is no more: its container is not known by that name any longer. */
export function forgetAlias(ctx: NetworkContext, parent: Container, alias: string): void {
  if (ctx.store.of(parent.id).length === 0) return;
  rewrite(ctx.files(parent.id).hosts, (text) => withoutName(text, alias));
}

/** The container came or went: those that it links to may be reached by it, or no more. */
export async function updateChildren(ctx: NetworkContext, container: Container): Promise<void> {
  const bridge = ctx.store.byName("bridge");
  if (!bridge || !container.record.hostConfig.Links?.length || bridgeOptions(bridge.options).icc) return;
  let links: Link[];
  try {
    links = linksOf(ctx, container);
  } catch (error) {
    if (error instanceof EngineError) return;
    throw error;
  }
  for (const { child } of links) {
    const endpoint = inBridge(ctx, child.id);
    if (endpoint) await ctx.firewall.putEndpoint(firewallView(ctx, child, endpoint));
  }
}
