/** Networks of a container that runs: one more, or one less. */
import type { EndpointSettings } from "../container/config.ts";
import type { Container } from "../container/container.ts";
import { EngineError } from "../errors.ts";
import { clean, familyOf, linkOrWait, markRoutes, planOrWait, updateLinkers, wiringView } from "./attach.ts";
import { emit, type NetworkContext } from "./context.ts";
import { checkMode, checkTogether, chooseRoutes, hasSandbox, networkOf, SHARING } from "./endpoints.ts";
import { type EtcFiles, updateFiles } from "./files.ts";
import { firewallView } from "./links.ts";
import { make } from "./make.ts";
import { answersNames, endpointNames, sandboxNames } from "./names-view.ts";
import { publish, requestsOf } from "./publish.ts";
import { dnsNamesOf, endpointProblem, isUserDefined, networksOf } from "./settings.ts";
import type { EndpointRecord, NetworkRecord, PortRequest, SandboxRecord } from "./types.ts";

/**
 * What a container may be connected to, running or not. False: it is in that network already.
 * @throws EngineError invalid, in Docker's words
 */
export function checkConnect(
  ctx: NetworkContext,
  container: Container,
  network: NetworkRecord,
  settings: EndpointSettings,
): boolean {
  const problem = endpointProblem(network, network.name, settings);
  if (problem !== undefined) throw new EngineError("invalid", problem);
  checkMode(container.record.hostConfig.NetworkMode, network);
  for (const [key, other] of Object.entries(networksOf(container))) {
    let joined: NetworkRecord;
    try {
      joined = networkOf(ctx, key, other);
    } catch (error) {
      if (error instanceof EngineError) continue;
      throw error;
    }
    if (joined.id === network.id) return false;
    checkTogether(joined, network);
  }
  return true;
}

/** Nobody else's namespace can be changed through this container. @throws EngineError invalid */
export function requireOwnNamespace({ record }: Container): void {
  if (record.hostConfig.NetworkMode.startsWith("container:")) throw new EngineError("invalid", SHARING);
}

/** As they are kept: with the network's id, and the names that others know the container by. */
export function pinned(
  container: Container,
  network: NetworkRecord,
  settings: EndpointSettings,
): EndpointSettings {
  const names = isUserDefined(network.name) ? dnsNamesOf(container, settings.Aliases) : settings.DNSNames;
  return { ...settings, NetworkID: network.id, DNSNames: names };
}

/** The settings are stored already. */
export async function connectRunning(
  ctx: NetworkContext,
  container: Container,
  { id, name }: Pick<NetworkRecord, "id" | "name">,
  settings: EndpointSettings,
  files: EtcFiles,
): Promise<void> {
  const before = ctx.store.of(container.id);
  if (before.some((endpoint) => endpoint.network === id)) {
    throw new EngineError(
      "forbidden",
      `endpoint with name ${container.name.slice(1)} already exists in network ${name}`,
    );
  }
  await make(ctx, ctx.store.find(id));
  // As it is now: the default one may have got another subnet when it was made.
  const network = ctx.store.find(id);
  const sandbox = sandboxOf(ctx, container);
  const wanted = [{ key: network.name, network, settings }];
  const links = before.map(({ link }) => link);
  const [endpoint] = (await planOrWait(ctx, container, wanted, links)) as [EndpointRecord];
  const endpoints = [...before, endpoint];
  endpoint.unfinished = true;
  ctx.store.put([endpoint], ctx.store.sandbox(container.id) ? undefined : sandbox);
  try {
    if (hasSandbox(network)) {
      const view = wiringView(ctx, sandbox, endpoints);
      // Again: with the redirect of names, if this is the first network that answers them.
      if (answersNames(network) && isOurs(ctx, sandbox)) await ctx.wiring.createSandbox(view);
      await linkOrWait(ctx, view, network, endpoint);
      await reroute(ctx, container, view, endpoints);
      if (network.driver === "bridge") {
        await ctx.firewall.putEndpoint(firewallView(ctx, container, endpoint));
      }
      const conf = updateFiles(ctx, container, files, endpoints, { came: endpoint });
      await tellNames(ctx, container, view, endpoints, conf);
      await updateLinkers(ctx, container);
    }
    delete endpoint.unfinished;
    ctx.store.put([endpoint]);
  } catch (error) {
    await clean(ctx, { id: container.id }, [endpoint], undefined);
    await ctx.wiring.detach(sandbox, network, endpoint).catch(() => {});
    const left = ctx.store.of(container.id);
    await reroute(ctx, container, wiringView(ctx, sandbox, left), left).catch((cause: Error) =>
      ctx.warn(`routes of ${container.id}: ${cause.message}`),
    );
    throw error;
  }
  emit(ctx, network, "connect", { container: container.id });
}

export async function disconnectRunning(
  ctx: NetworkContext,
  container: Container,
  network: NetworkRecord,
  files: EtcFiles,
): Promise<void> {
  const endpoint = ctx.store.of(container.id).find((one) => one.network === network.id);
  if (!endpoint) {
    throw new EngineError(
      "internal",
      `container ${container.id} is not connected to network ${network.name}`,
    );
  }
  const sandbox = sandboxOf(ctx, container);
  const left = ctx.store.of(container.id).filter((one) => one !== endpoint);
  endpoint.unfinished = true;
  ctx.store.put([endpoint]);
  if (answersNames(network)) await ctx.names.removeNames({ endpoints: [endpoint.id] });
  if (hasSandbox(network)) await ctx.wiring.detach(sandbox, network, endpoint);
  await clean(ctx, { id: container.id }, [endpoint], undefined);
  if (hasSandbox(network)) {
    const view = wiringView(ctx, sandbox, left);
    await reroute(ctx, container, view, left, endpoint);
    const conf = updateFiles(ctx, container, files, left, { gone: endpoint });
    await tellNames(ctx, container, view, left, conf);
  }
  emit(ctx, network, "disconnect", { container: container.id });
}

/** A container that started without a network has a namespace that nobody pinned. */
export function sandboxOf(ctx: NetworkContext, container: Container): SandboxRecord {
  return ctx.store.sandbox(container.id) ?? { id: container.id, path: `/proc/${container.state.pid}/ns/net` };
}

const isOurs = (ctx: NetworkContext, { path }: SandboxRecord): boolean => path.startsWith(ctx.execRoot);

export async function tellNames(
  ctx: NetworkContext,
  container: Container,
  sandbox: SandboxRecord,
  endpoints: readonly EndpointRecord[],
  conf: Parameters<typeof sandboxNames>[4],
): Promise<void> {
  if (!sandbox.names) return;
  await ctx.names.putNames({
    sandboxes: [sandboxNames(ctx, container, sandbox.path, endpoints, conf)],
    endpoints: endpoints.flatMap((endpoint) => endpointNames(ctx, container, endpoint) ?? []),
  });
}

/**
 * The default routes may be another endpoint's now, and then what is published goes through that one, at the same ports
 * of the host. `gone` had some of them.
 */
export async function reroute(
  ctx: NetworkContext,
  container: Container,
  sandbox: SandboxRecord,
  endpoints: readonly EndpointRecord[],
  gone?: EndpointRecord,
): Promise<void> {
  const before = endpoints.map(({ default4, default6 }) => [default4, default6]);
  const routes = chooseRoutes(ctx, container, endpoints);
  markRoutes(endpoints, routes);
  await ctx.wiring.setDefaultRoutes(sandbox, routes);
  const moved = endpoints.some(
    ({ default4, default6 }, at) => before[at]![0] !== default4 || before[at]![1] !== default6,
  );
  if (!moved) return;
  const asked = keptRequests(container, gone ? [...endpoints, gone] : endpoints);
  if (asked.length > 0) await movePorts(ctx, container, endpoints, asked);
  ctx.store.put(endpoints);
}

/** As they are bound now, so that ports that were given out at random stay. */
function keptRequests(container: Container, endpoints: readonly EndpointRecord[]): PortRequest[] {
  const bound = endpoints.flatMap(({ ports }) => ports).filter(({ hostPort }) => hostPort !== 0);
  if (bound.length === 0) return requestsOf(container);
  return bound.map(({ protocol, containerPort, hostIp, hostPort }) => ({
    protocol,
    containerPort,
    hostIp,
    hostPortStart: hostPort,
    hostPortEnd: hostPort,
  }));
}

async function movePorts(
  ctx: NetworkContext,
  container: Container,
  endpoints: readonly EndpointRecord[],
  asked: readonly PortRequest[],
): Promise<void> {
  for (const endpoint of endpoints) {
    if (endpoint.ports.length === 0) continue;
    await ctx.ports.release(endpoint);
    endpoint.ports = [];
    await ctx.firewall.putEndpoint(firewallView(ctx, container, endpoint));
  }
  for (const endpoint of endpoints) {
    const family = familyOf(endpoint, endpoints);
    const own = asked.filter(
      ({ hostIp }) => hostIp === "" || (hostIp.includes(":") ? family.six : family.four),
    );
    if (own.length === 0) continue;
    endpoint.ports = await publish(ctx, container, endpoint, own, family);
    if (endpoint.ports.length > 0) await ctx.firewall.putEndpoint(firewallView(ctx, container, endpoint));
  }
}
