/** What the shim is told, so that it can answer a container's queries. */
import type { Container } from "../container/container.ts";
import { EngineError } from "../errors.ts";
import type { NetworkContext } from "./context.ts";
import { isInternal } from "./driver-options.ts";
import { addressesOf, chooseRoutes, givesRoute } from "./endpoints.ts";
import type { ResolvConf } from "./resolv-conf.ts";
import { dnsNamesOf, networksOf, parseLink } from "./settings.ts";
import type { EndpointNames, EndpointRecord, NetworkRecord, SandboxNames } from "./types.ts";

/** Names are answered in networks of users', not in the predefined ones. */
export const answersNames = ({ predefined, driver }: NetworkRecord): boolean =>
  !predefined && driver !== "host" && driver !== "null";

export function endpointNames(
  ctx: NetworkContext,
  container: Container,
  endpoint: EndpointRecord,
): EndpointNames | undefined {
  const network = ctx.store.network(endpoint.network);
  if (!network || !answersNames(network)) return undefined;
  const settings = settingsIn(container, network);
  return {
    id: endpoint.id,
    network: network.id,
    networkName: network.name,
    container: container.id,
    names: settings?.DNSNames ?? dnsNamesOf(container, settings?.Aliases ?? null),
    addresses: addressesOf(endpoint),
  };
}

export const settingsIn = (container: Container, network: NetworkRecord) =>
  networksOf(container)[network.name] ??
  Object.values(networksOf(container)).find(({ NetworkID }) => NetworkID === network.id);

/** What a container's own resolver is told, now that it runs; whether it has links is remembered for {@link linkersOf}. */
export function sandboxNames(
  ctx: NetworkContext,
  container: Container,
  netns: string,
  endpoints: readonly EndpointRecord[],
  { upstreams, ndots }: Pick<ResolvConf, "upstreams" | "ndots">,
): SandboxNames {
  const first = chooseRoutes(ctx, container, endpoints);
  const order = [first.four, first.six, ...endpoints].filter((endpoint) => endpoint !== undefined);
  const networks = [...new Set(order.map(({ network }) => network))].filter((id) => {
    const network = ctx.store.network(id);
    return network !== undefined && answersNames(network);
  });
  const external = endpoints.some((endpoint) => {
    const network = ctx.store.network(endpoint.network);
    return (
      network !== undefined &&
      !isInternal(network) &&
      (givesRoute(network, endpoint, 4) || givesRoute(network, endpoint, 6))
    );
  });
  if (hasLinks(container)) ctx.linkers.add(container.id);
  else ctx.linkers.delete(container.id);
  return {
    id: container.id,
    netns,
    networks,
    links: linksOf(ctx, container),
    upstreams,
    external,
    ndots,
  };
}

/** Containers that run and have a link, in a network of users', to this one. */
export function linkersOf(ctx: NetworkContext, container: Container): Container[] {
  return [...ctx.linkers].flatMap((id) => {
    const other = ctx.containers().byId(id);
    if (other === undefined || ctx.store.sandbox(id) === undefined) ctx.linkers.delete(id);
    else if (other !== container && Object.values(linksOf(ctx, other)).includes(container.id)) return [other];
    return [];
  });
}

const hasLinks = (container: Container): boolean =>
  Object.values(networksOf(container)).some(({ Links }) => Links?.length);

/** Of `--link` in networks of users': what is not there (yet) is left out. */
function linksOf(ctx: NetworkContext, container: Container): Record<string, string> {
  const links: Record<string, string> = {};
  for (const { Links } of Object.values(networksOf(container))) {
    for (const link of Links ?? []) {
      try {
        const { name, alias } = parseLink(link);
        links[alias] = ctx.containers().find(name).id;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
    }
  }
  return links;
}
