/** GET /networks and /networks/NAME. @source moby, daemon/network/filter.go */
import { isRunning } from "../container/state.ts";
import { EngineError } from "../errors.ts";
import {
  type Filters,
  hasFilter,
  matchExact,
  matchPairs,
  matchPattern,
  validateFilters,
} from "../filters.ts";
import { isPredefined, type NetworkContext } from "./context.ts";
import type { EndpointRecord, NetworkRecord } from "./types.ts";

const ACCEPTED = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/** In Docker's order of fields. */
export function networkView(network: NetworkRecord): object {
  const { id, name, created, configFrom, ipam } = network;
  const pools = ipam.pools.map(({ subnet, ipRange, gateway, auxiliary }) => ({
    ...(subnet && { Subnet: subnet }),
    ...(ipRange && { IPRange: ipRange }),
    ...(gateway && { Gateway: gateway }),
    ...(auxiliary && { AuxiliaryAddresses: auxiliary }),
  }));
  return {
    Name: name,
    Id: id,
    Created: created,
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.enableIPv4,
    EnableIPv6: network.enableIPv6,
    IPAM: { Driver: ipam.driver, Options: ipam.options, Config: pools.length > 0 ? pools : null },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: configFrom },
    ConfigOnly: network.configOnly,
    Options: network.options,
    Labels: network.labels,
  };
}

/** Endpoints of containers that run. */
export function present(ctx: NetworkContext, network: string): EndpointRecord[] {
  return [...ctx.store.endpointsOf(network)].filter(({ container }) => !ctx.leaving.has(container));
}

function matchUse(ctx: NetworkContext, { id, name }: NetworkRecord, dangling: boolean): boolean {
  const used = isPredefined(name) || present(ctx, id).length > 0;
  return used !== dangling;
}

function danglingOf(filters: Filters): boolean | undefined {
  const values = filters.dangling ?? [];
  if (values.length === 0) return undefined;
  if (values.length > 1) {
    throw new EngineError("invalid", 'got more than one value for filter key "dangling"');
  }
  if (values[0] === "1" || values[0] === "true") return true;
  if (values[0] === "0" || values[0] === "false") return false;
  throw new EngineError(
    "invalid",
    'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")',
  );
}

export function list(ctx: NetworkContext, filters: Filters): object[] {
  validateFilters(filters, ACCEPTED);
  const dangling = danglingOf(filters);
  for (const type of filters.type ?? []) {
    if (type === "builtin" || type === "custom") continue;
    throw new EngineError("internal", `invalid filter: 'type'='${type}'`);
  }
  return [...ctx.store.networks()]
    .filter(
      (network) =>
        !ctx.removing.has(network.id) &&
        matchExact(filters, "driver", network.driver) &&
        matchPattern(filters, "name", network.name) &&
        matchPattern(filters, "id", network.id) &&
        matchPairs(filters, "label", network.labels) &&
        matchExact(filters, "scope", "local") &&
        (dangling === undefined || matchUse(ctx, network, dangling)) &&
        // Docker looks at the first that it comes upon.
        (!hasFilter(filters, "type") || (filters.type![0] === "builtin") === isPredefined(network.name)),
    )
    .map(networkView);
}

/** @throws EngineError notFound `network NAME not found` */
export function inspect(ctx: NetworkContext, term: string, scope: string): object {
  const network = ctx.store.find(term);
  if (ctx.removing.has(network.id) || (scope !== "" && scope !== "local")) {
    throw new EngineError("notFound", `network ${term} not found`);
  }
  const containers = present(ctx, network.id).flatMap((endpoint) => {
    const container = ctx.containers().byId(endpoint.container);
    if (!container || !isRunning(container.state)) return [];
    const shown = {
      Name: container.name.slice(1),
      EndpointID: endpoint.id,
      MacAddress: endpoint.mac,
      IPv4Address: endpoint.ipv4 ?? "",
      IPv6Address: endpoint.ipv6 ?? "",
    };
    return [[container.id, shown] as const];
  });
  const status = network.configOnly ? {} : ctx.ipam.status(network.id);
  return {
    ...networkView(network),
    Containers: Object.fromEntries(containers),
    Status: { IPAM: Object.keys(status).length > 0 ? { Subnets: status } : {} },
  };
}
