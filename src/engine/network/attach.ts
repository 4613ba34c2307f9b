/** A container's networks while it starts and ends. */
import type { Container } from "../container/container.ts";
import { Stopwatch, type Took } from "../stopwatch.ts";
import { emit, type NetworkContext } from "./context.ts";
import { isVlan } from "./driver-options.ts";
import {
  chooseRoutes,
  hasSandbox,
  namesPorts,
  planEndpoints,
  releaseAddresses,
  type Wanted,
  wantedOf,
} from "./endpoints.ts";
import { type EtcFiles, resolvConfOf, writeFiles } from "./files.ts";
import { firewallView, updateChildren, updateParents } from "./links.ts";
import { make } from "./make.ts";
import { answersNames, endpointNames, linkersOf, sandboxNames } from "./names-view.ts";
import { publish, requestsOf } from "./publish.ts";
import type { EndpointRecord, NetworkRecord, SandboxRecord } from "./types.ts";

/** What a launch needs of it. */
export interface Attached {
  /** Absent where the container has a namespace of nobody's making, or the host's. */
  netns?: string;
  names?: { udp: number; tcp: number };
  took?: Took;
}

/** Rows, links, routes, ports, rules, names and files of a container that is about to start: all, or none. */
export async function attach(ctx: NetworkContext, container: Container, files: EtcFiles): Promise<Attached> {
  const watch = new Stopwatch();
  await ctx.leaving.get(container.id);
  // What could not be taken away when it ended.
  const stale = ctx.store.of(container.id);
  if (stale.length > 0) await clean(ctx, container, stale, ctx.store.sandbox(container.id));
  await Promise.all(wantedOf(ctx, container).map(({ network }) => make(ctx, network)));
  // As they are now: the default one may have got another subnet when it was made.
  const wanted = wantedOf(ctx, container);
  const endpoints = await planOrWait(ctx, container, wanted);
  const networks = new Map(wanted.map(({ network }) => [network.id, network]));
  const sandbox = wanted.some(({ network }) => hasSandbox(network))
    ? (ctx.prepared.get(container.id) ?? newSandbox(ctx, container.id))
    : undefined;
  ctx.store.put(endpoints, sandbox);
  if (sandbox) ctx.prepared.delete(container.id);
  watch.step("addresses");
  try {
    const conf = writeFiles(ctx, container, files, endpoints);
    watch.step("files");
    if (sandbox) {
      await wire(ctx, container, sandbox, endpoints, watch);
      await publishAll(ctx, container, endpoints);
      watch.step("ports");
      for (const endpoint of endpoints) {
        const network = networks.get(endpoint.network)!;
        if (network.driver === "bridge")
          await ctx.firewall.putEndpoint(firewallView(ctx, container, endpoint));
      }
      await updateChildren(ctx, container);
      updateParents(ctx, container);
      watch.step("rules");
      if (wanted.some(({ network }) => answersNames(network))) {
        await ctx.names.putNames({
          sandboxes: [sandboxNames(ctx, container, sandbox.path, endpoints, conf)],
          endpoints: endpoints.flatMap((endpoint) => endpointNames(ctx, container, endpoint) ?? []),
        });
        watch.step("names");
      }
      await updateLinkers(ctx, container);
    }
  } catch (error) {
    await clean(ctx, container, endpoints, sandbox);
    throw error;
  }
  for (const endpoint of endpoints) {
    emit(ctx, networks.get(endpoint.network)!, "connect", { container: container.id });
  }
  const { took } = watch;
  return sandbox ? { ...attachedTo(sandbox), took } : { took };
}

const attachedTo = ({ path, names }: SandboxRecord): Attached => ({ netns: path, ...(names && { names }) });

/** Undefined: nothing has to be made. */
export function prepare(ctx: NetworkContext, container: Container): Promise<Attached> | undefined {
  const needed = wantedOf(ctx, container).some(({ network }) => hasSandbox(network));
  return needed ? prepareSandbox(ctx, container) : undefined;
}

/** Of a container in a network without addresses all is known before it starts. */
export function prepareFiles(ctx: NetworkContext, container: Container, files: EtcFiles): void {
  const wanted = wantedOf(ctx, container);
  if (wanted.some(({ network }) => hasSandbox(network))) return;
  writeFiles(ctx, container, files, planEndpoints(ctx, container, wanted));
}

async function prepareSandbox(ctx: NetworkContext, container: Container): Promise<Attached> {
  const sandbox = newSandbox(ctx, container.id);
  ctx.prepared.set(container.id, sandbox);
  await ctx.wiring.createSandbox({ id: sandbox.id, path: sandbox.path });
  return attachedTo(sandbox);
}

export async function dropPrepared(ctx: NetworkContext, { id }: Container): Promise<void> {
  const sandbox = ctx.prepared.get(id);
  if (sandbox === undefined) return;
  ctx.prepared.delete(id);
  await ctx.wiring.removeSandbox(sandbox);
}

/** Once more when all who leave are gone: what another container is just giving back may be what is missing. */
async function orAfterLeaving<T>(ctx: NetworkContext, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (ctx.leaving.size === 0) throw error;
    await Promise.all(ctx.leaving.values());
    return work();
  }
}

export const planOrWait = (
  ctx: NetworkContext,
  container: Container,
  wanted: readonly Wanted[],
  names: readonly string[] = [],
): Promise<EndpointRecord[]> => orAfterLeaving(ctx, () => planEndpoints(ctx, container, wanted, names));

function newSandbox(ctx: NetworkContext, id: string): SandboxRecord {
  return { id, path: `${ctx.execRoot}/netns/${id.slice(0, 12)}`, names: namesPorts() };
}

/** Who has a link to this container was told nothing of it while it was not there. */
export async function updateLinkers(ctx: NetworkContext, container: Container): Promise<void> {
  for (const other of linkersOf(ctx, container)) {
    const sandbox = ctx.store.sandbox(other.id)!;
    const endpoints = ctx.store.of(other.id);
    const conf = resolvConfOf(ctx, other, endpoints);
    await ctx.names.putNames({ sandboxes: [sandboxNames(ctx, other, sandbox.path, endpoints, conf)] });
  }
}

/** Port 53 is redirected only where there is somebody to answer. */
export function wiringView(
  ctx: NetworkContext,
  sandbox: SandboxRecord,
  endpoints: readonly EndpointRecord[],
): SandboxRecord {
  const answers = endpoints.some(({ network }) => {
    const record = ctx.store.network(network);
    return record !== undefined && answersNames(record);
  });
  return answers ? sandbox : { id: sandbox.id, path: sandbox.path };
}

async function wire(
  ctx: NetworkContext,
  container: Container,
  sandbox: SandboxRecord,
  endpoints: readonly EndpointRecord[],
  watch: Stopwatch,
): Promise<void> {
  const view = wiringView(ctx, sandbox, endpoints);
  await ctx.wiring.createSandbox(view);
  watch.step("namespace");
  for (const endpoint of endpoints) {
    const network = ctx.store.network(endpoint.network)!;
    if (hasSandbox(network)) await linkOrWait(ctx, view, network, endpoint);
  }
  const routes = chooseRoutes(ctx, container, endpoints);
  markRoutes(endpoints, routes);
  await ctx.wiring.setDefaultRoutes(view, routes);
  watch.step("links");
}

/** A parent may have the link yet of a container that has just ended, and take no other beside it. */
export function linkOrWait(
  ctx: NetworkContext,
  view: SandboxRecord,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<void> {
  const link = () => ctx.wiring.attach(view, network, endpoint);
  return isVlan(network.driver) ? orAfterLeaving(ctx, link) : link();
}

export function markRoutes(
  endpoints: readonly EndpointRecord[],
  { four, six }: { four?: EndpointRecord; six?: EndpointRecord },
): void {
  for (const endpoint of endpoints) {
    endpoint.default4 = endpoint === four;
    endpoint.default6 = endpoint === six;
  }
}

/** Where none has IPv6, what comes to the host's IPv6 addresses goes where IPv4 does: a proxy can do that. */
export function familyOf(
  { default4, default6 }: EndpointRecord,
  endpoints: readonly EndpointRecord[],
): { four: boolean; six: boolean } {
  return { four: default4, six: default6 || (default4 && !endpoints.some((one) => one.default6)) };
}

/** Through the endpoints that give the routes, of each family; the rows then say which ports. */
async function publishAll(
  ctx: NetworkContext,
  container: Container,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  const requests = requestsOf(container);
  if (requests.length > 0) {
    // A port that is just being given back is free in a moment.
    await Promise.all(ctx.leaving.values());
    for (const endpoint of endpoints) {
      const family = familyOf(endpoint, endpoints);
      if (family.four || family.six) {
        endpoint.ports = await publish(ctx, container, endpoint, requests, family);
      }
    }
  }
  if (endpoints.some(({ default4, default6, ports }) => default4 || default6 || ports.length > 0)) {
    ctx.store.put(endpoints);
  }
}

/** The kernel keeps the thread busy while it cleans up: the clients who wait for the end, and the removal, come first. */
const BEHIND_MS = 10;

/** Before the world hears of the end: who does may use its ports. What fails is tried again with all the rest. */
export async function leavePorts(ctx: NetworkContext, { id }: Container): Promise<void> {
  for (const endpoint of ctx.store.of(id)) {
    if (endpoint.ports.length === 0) continue;
    await ctx.ports.release(endpoint).catch(() => {});
    if (ctx.store.network(endpoint.network)?.driver === "bridge")
      await ctx.firewall.removeEndpoint(endpoint.id).catch(() => {});
  }
}

/**
 * The container ended: the world hears of it now, the kernel is cleaned up behind; until then its addresses and ports
 * are nobody else's. The promise never rejects.
 */
export function leave(ctx: NetworkContext, container: Container): Promise<void> {
  const endpoints = ctx.store.of(container.id);
  const sandbox = ctx.store.sandbox(container.id);
  if (endpoints.length === 0 && !sandbox) return Promise.resolve();
  const known = ctx.leaving.get(container.id);
  if (known) return known;
  for (const endpoint of endpoints) {
    const network = ctx.store.network(endpoint.network);
    if (network) emit(ctx, network, "disconnect", { container: container.id });
  }
  const cleaning = Bun.sleep(BEHIND_MS)
    .then(() => clean(ctx, container, endpoints, sandbox))
    .finally(() => {
      ctx.leaving.delete(container.id);
    });
  ctx.leaving.set(container.id, cleaning);
  return cleaning;
}

/** Every step is tried; the rows go last, so that what could not be taken away is tried again at the next start. */
export async function clean(
  ctx: NetworkContext,
  container: Pick<Container, "id"> & Partial<Container>,
  endpoints: readonly EndpointRecord[],
  sandbox: SandboxRecord | undefined,
): Promise<void> {
  let failed = false;
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failed = true;
      ctx.warn(`${what} of ${container.id}: ${(error as Error).message}`);
    }
  };
  const networks = new Map<string, NetworkRecord>();
  for (const { network } of endpoints) {
    const record = ctx.store.network(network);
    if (record) networks.set(network, record);
  }
  if (sandbox && [...networks.values()].some(answersNames)) {
    await attempt("names", () =>
      ctx.names.removeNames({ sandboxes: [container.id], endpoints: endpoints.map(({ id }) => id) }),
    );
  }
  for (const endpoint of endpoints) {
    const network = networks.get(endpoint.network);
    if (!network || !hasSandbox(network)) continue;
    if (endpoint.ports.length > 0) await attempt("ports", () => ctx.ports.release(endpoint));
    if (network.driver === "bridge") await attempt("rules", () => ctx.firewall.removeEndpoint(endpoint.id));
  }
  if (sandbox) await attempt("network namespace", () => ctx.wiring.removeSandbox(sandbox, endpoints));
  if (failed) return;
  ctx.store.remove(
    endpoints.map(({ id }) => id),
    sandbox?.id,
  );
  for (const endpoint of endpoints) releaseAddresses(ctx, endpoint);
  if (container.record) await updateChildren(ctx, container as Container).catch(() => {});
}
