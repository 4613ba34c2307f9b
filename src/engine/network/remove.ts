/** DELETE /networks/NAME and POST /networks/prune. */

import { untilOf } from "../container/until.ts";
import { EngineError } from "../errors.ts";
import { type Filters, matchPairs, validateFilters } from "../filters.ts";
import { emit, isPredefined, type NetworkContext } from "./context.ts";
import { present } from "./list.ts";
import { unmake } from "./make.ts";
import type { NetworkRecord } from "./types.ts";

export async function remove(ctx: NetworkContext, term: string): Promise<void> {
  await removeNetwork(ctx, ctx.store.find(term));
}

async function removeNetwork(ctx: NetworkContext, network: NetworkRecord): Promise<void> {
  const { id, name } = network;
  if (isPredefined(name)) {
    throw new EngineError("forbidden", `${name} is a pre-defined network and cannot be removed`);
  }
  if (ctx.removing.has(id)) throw new EngineError("notFound", `network ${name} not found`);
  const forbidden = (reason: string) =>
    new EngineError("forbidden", `error while removing network: ${reason}`);
  if (network.configOnly && [...ctx.store.networks()].some(({ configFrom }) => configFrom === name)) {
    throw forbidden(`configuration network ${JSON.stringify(name)} is in use`);
  }
  const users = present(ctx, id).map(
    (endpoint) =>
      `name:${JSON.stringify(nameOf(ctx, endpoint.container))} id:${JSON.stringify(endpoint.id.slice(0, 12))}`,
  );
  if (users.length > 0) throw forbidden(`network ${name} has active endpoints (${users.join(", ")})`);
  ctx.removing.add(id);
  try {
    const leaving = [...ctx.store.endpointsOf(id)].flatMap(
      ({ container }) => ctx.leaving.get(container) ?? [],
    );
    await Promise.all([...leaving, ctx.made.get(id)?.catch(() => {})]);
    await unmake(ctx, network);
    ctx.store.removeNetwork(network);
    ctx.ipam.releaseNetwork(id);
  } finally {
    ctx.removing.delete(id);
  }
  if (!network.configOnly) emit(ctx, network, "destroy");
}

const nameOf = (ctx: NetworkContext, container: string): string =>
  ctx.containers().byId(container)?.name.slice(1) ?? container;

export async function prune(
  ctx: NetworkContext,
  filters: Filters,
): Promise<{ NetworksDeleted: string[] | null }> {
  validateFilters(filters, ["label", "label!", "until"]);
  if ((filters.until?.length ?? 0) > 1)
    throw new EngineError("invalid", "more than one until filter specified");
  const until = filters.until?.[0] === undefined ? undefined : untilOf(filters.until[0]);
  const unused = [...ctx.store.networks()].filter(
    (network) =>
      !network.configOnly &&
      !isPredefined(network.name) &&
      !ctx.removing.has(network.id) &&
      present(ctx, network.id).length === 0 &&
      matchPairs(filters, "label", network.labels) &&
      !(filters["label!"]?.length && matchPairs(filters, "label!", network.labels)) &&
      (until === undefined || Date.parse(network.created) <= until),
  );
  const deleted: string[] = [];
  for (const network of unused) {
    try {
      await removeNetwork(ctx, network);
      deleted.push(network.name);
    } catch (error) {
      ctx.warn(`could not remove local network ${network.name}: ${(error as Error).message}`);
    }
  }
  ctx.events.emit({ Type: "network", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: "0" } } });
  return { NetworksDeleted: deleted.length > 0 ? deleted : null };
}
