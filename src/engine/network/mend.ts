/**
 * What a killed daemon left of connecting and disconnecting a container that runs. Its settings say what is to be: what
 * is there of an endpoint is taken away, what they ask for is made, and routes, ports, files and names fit that again.
 */
import type { Container } from "../container/container.ts";
import { clean, wiringView } from "./attach.ts";
import { connectRunning, reroute, sandboxOf, tellNames } from "./connect.ts";
import type { NetworkContext } from "./context.ts";
import { askedOf, hasSandbox, networkOf } from "./endpoints.ts";
import { updateFiles } from "./files.ts";
import { settingsIn } from "./names-view.ts";
import type { EndpointRecord } from "./types.ts";

/** Endpoints of containers that run which are not whole, or which nobody asks for. */
export function tornOf(ctx: NetworkContext, container: Container): EndpointRecord[] {
  return ctx.store.of(container.id).filter((endpoint) => {
    const network = ctx.store.network(endpoint.network);
    return endpoint.unfinished || !network || !settingsIn(container, network);
  });
}

/** Their rows are there as long as anything of them is. */
export async function dropTorn(
  ctx: NetworkContext,
  container: Container,
  torn: readonly EndpointRecord[],
): Promise<void> {
  const sandbox = sandboxOf(ctx, container);
  for (const endpoint of torn) {
    const network = ctx.store.network(endpoint.network);
    if (network && hasSandbox(network)) await ctx.wiring.detach(sandbox, network, endpoint).catch(() => {});
  }
  await clean(ctx, { id: container.id }, torn, undefined);
}

/** `torn`: what was dropped of this container. Never rejects. */
export async function mend(
  ctx: NetworkContext,
  container: Container,
  torn: readonly EndpointRecord[],
): Promise<void> {
  const files = ctx.files(container.id);
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      ctx.warn(`${what} of ${container.id}: ${(error as Error).message}`);
    }
  };
  const whole = ctx.store.of(container.id);
  const view = wiringView(ctx, sandboxOf(ctx, container), whole);
  for (const gone of torn) {
    await attempt("routes", async () => {
      await reroute(ctx, container, view, whole, gone);
      await tellNames(ctx, container, view, whole, updateFiles(ctx, container, files, whole, { gone }));
    });
  }
  if (container.record.hostConfig.NetworkMode.startsWith("container:")) return;
  // It was started by a daemon without a default network, and goes on without.
  if (whole.length === 0 && torn.length === 0) return;
  for (const [key, settings] of askedOf(ctx, container)) {
    await attempt(`network ${key}`, async () => {
      const network = networkOf(ctx, key, settings);
      if (!hasSandbox(network)) return;
      if (ctx.store.of(container.id).some((endpoint) => endpoint.network === network.id)) return;
      await connectRunning(ctx, container, network, settings, files);
    });
  }
}
