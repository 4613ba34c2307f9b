/** Brings rows and the kernel together when the daemon starts: whatever a crash left half done is finished here. */
import type { Container } from "../container/container.ts";
import { isRunning } from "../container/state.ts";
import { clean, wiringView } from "./attach.ts";
import type { NetworkContext } from "./context.ts";
import { ensurePredefined } from "./default-bridge.ts";
import { resolvConfOf } from "./files.ts";
import { firewallNetwork } from "./firewall-view.ts";
import { firewallView } from "./links.ts";
import { make } from "./make.ts";
import { dropTorn, mend, tornOf } from "./mend.ts";
import { endpointNames, sandboxNames } from "./names-view.ts";
import type { EndpointNames, EndpointRecord, SandboxNames } from "./types.ts";

/** What rows have is nobody else's: before anything is given out. */
export function claim(ctx: NetworkContext): void {
  for (const network of ctx.store.networks()) {
    if (!network.configOnly) ctx.ipam.claimNetwork(network.id, network.ipam.pools);
  }
  for (const { network, ipv4, ipv6 } of ctx.store.endpoints()) {
    for (const cidr of [ipv4, ipv6]) if (cidr) ctx.ipam.claimAddress(network, cidr);
  }
}

/** After the containers are known: who runs, runs. */
export async function restore(ctx: NetworkContext, engineId: string): Promise<void> {
  await Promise.all(ctx.leaving.values());
  const torn = await dropDead(ctx);
  ensurePredefined(ctx, engineId);
  await makeAll(ctx);
  const running = [...ctx.store.endpoints()];
  for (const endpoint of running) {
    if (endpoint.ports.length === 0) continue;
    await ctx.ports.claim(endpoint).catch((error: Error) => ctx.warn(error.message));
  }
  await syncFirewall(ctx);
  await syncNames(ctx);
  await sweep(ctx, new Set(running.map(({ id }) => id)));
  for (const container of ctx.containers().all()) {
    if (isRunning(container.state)) await mend(ctx, container, torn.get(container.id) ?? []);
  }
}

const runs = (ctx: NetworkContext, id: string): Container | undefined => {
  const container = ctx.containers().byId(id);
  return container && isRunning(container.state) ? container : undefined;
};

/**
 * Endpoints and namespaces of containers that do not run, and what was under way at a crash in those that do: that is
 * the result, by container.
 */
async function dropDead(ctx: NetworkContext): Promise<Map<string, EndpointRecord[]>> {
  const ids = new Set([
    ...[...ctx.store.sandboxes()].map(({ id }) => id),
    ...[...ctx.store.endpoints()].map(({ container }) => container),
  ]);
  const torn = new Map<string, EndpointRecord[]>();
  for (const id of ids) {
    const container = runs(ctx, id);
    if (!container) {
      await clean(ctx, { id }, ctx.store.of(id), ctx.store.sandbox(id));
      continue;
    }
    const found = tornOf(ctx, container);
    if (found.length === 0) continue;
    torn.set(id, found);
    await dropTorn(ctx, container, found);
  }
  return torn;
}

/** Bridges of users' are there whenever the daemon is; the default one when it is used. */
async function makeAll(ctx: NetworkContext): Promise<void> {
  for (const network of [...ctx.store.networks()]) {
    if (network.predefined && ctx.store.countOf(network.id) === 0) continue;
    try {
      await make(ctx, network, false);
    } catch (error) {
      // Its containers say so when they start; the others must not wait for it.
      ctx.warn(`network ${network.name}: ${(error as Error).message}`);
    }
  }
}

/** Makes the whole state what the rows say: after a start, a flush by others, or SIGHUP. */
export async function syncFirewall(ctx: NetworkContext): Promise<void> {
  const networks = [...ctx.store.networks()].filter(
    ({ id, driver }) => driver === "bridge" && ctx.made.has(id),
  );
  const endpoints = [...ctx.store.endpoints()].filter(
    ({ network, container }) => networks.some(({ id }) => id === network) && !ctx.leaving.has(container),
  );
  await ctx.firewall.sync(
    networks.map(firewallNetwork),
    endpoints.flatMap((endpoint) => {
      const container = ctx.containers().byId(endpoint.container);
      return container ? [firewallView(ctx, container, endpoint)] : [];
    }),
  );
}

async function syncNames(ctx: NetworkContext): Promise<void> {
  const all: { sandboxes: SandboxNames[]; endpoints: EndpointNames[] } = { sandboxes: [], endpoints: [] };
  for (const sandbox of ctx.store.sandboxes()) {
    const container = runs(ctx, sandbox.id);
    if (!container) continue;
    const endpoints = ctx.store.of(sandbox.id);
    if (!wiringView(ctx, sandbox, endpoints).names) continue;
    const conf = resolvConfOf(ctx, container, endpoints);
    all.sandboxes.push(sandboxNames(ctx, container, sandbox.path, endpoints, conf));
    all.endpoints.push(...endpoints.flatMap((endpoint) => endpointNames(ctx, container, endpoint) ?? []));
  }
  await ctx.names.syncNames(all);
}

/** What no row claims: pinned namespaces, links, and ports held for nobody. */
async function sweep(ctx: NetworkContext, endpoints: ReadonlySet<string>): Promise<void> {
  const claimed = new Set([...ctx.store.sandboxes()].map(({ path }) => path));
  for (const path of ctx.wiring.sandboxes()) {
    if (!claimed.has(path)) await ctx.wiring.removeSandbox({ path });
  }
  // A default bridge that nobody uses is made again when somebody does.
  const made = [...ctx.store.networks()].filter(({ id, predefined }) => !predefined || ctx.made.has(id));
  const links = new Set([
    ...made.map(({ link }) => link),
    ...[...ctx.store.endpoints()].map(({ hostLink }) => hostLink),
  ]);
  await Promise.all(
    ctx.wiring.links().flatMap((link) => (links.has(link) ? [] : ctx.wiring.removeLink(link))),
  );
  for (const id of await ctx.names.heldPorts()) {
    if (!endpoints.has(id)) await ctx.names.holdPorts(id, []);
  }
}

/** The daemon ends. With nothing running, nothing of ours stays on the host but the rows. */
export async function close(ctx: NetworkContext): Promise<void> {
  await Promise.all(ctx.leaving.values());
  const keep = [...ctx.store.sandboxes()].length > 0;
  await ctx.firewall.close(keep);
  if (keep) return;
  const made = [...ctx.store.networks()].filter(({ id }) => ctx.made.has(id));
  await Promise.all(
    made.map((network) =>
      ctx.wiring
        .removeNetwork(network)
        .catch((error: Error) => ctx.warn(`network ${network.name}: ${error.message}`)),
    ),
  );
}
