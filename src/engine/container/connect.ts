/** POST /networks/NAME/connect and /disconnect: the container's side. */
import { EngineError } from "../errors.ts";
import { networksOf } from "../network/settings.ts";
import type { EndpointConfig, EndpointSettings } from "./config.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, filesOf } from "./context.ts";
import { isRunning } from "./state.ts";

export async function connectNetwork(
  ctx: ContainerContext,
  name: string,
  term: string,
  sent: EndpointConfig | null | undefined,
): Promise<void> {
  const container = ctx.store.find(name);
  await container.exclusive(async () => {
    if (!isRunning(container.state)) {
      requireKept(container);
      const plan = ctx.networks.planConnect(container, term, sent);
      if (plan) setNetworks(ctx, container, { ...networksOf(container), [plan.key]: plan.settings });
      return;
    }
    ctx.networks.requireOwnNamespace(container);
    const network = ctx.networks.find(term);
    const plan = ctx.networks.planConnect(container, term, sent);
    if (!plan) {
      throw new EngineError(
        "forbidden",
        `endpoint with name ${container.name.slice(1)} already exists in network ${network.name}`,
      );
    }
    const before = networksOf(container);
    // First the row: what a crash leaves of the endpoint is then known for what it is.
    setNetworks(ctx, container, { ...before, [plan.key]: plan.settings });
    try {
      await ctx.networks.connect(container, network, plan.settings, filesOf(ctx, container.id));
    } catch (error) {
      setNetworks(ctx, container, before);
      throw error;
    }
  });
}

export async function disconnectNetwork(
  ctx: ContainerContext,
  name: string,
  term: string,
  force: boolean,
): Promise<void> {
  const container = findMember(ctx, name, term, force);
  await container.exclusive(async () => {
    let network: ReturnType<ContainerContext["networks"]["find"]> | undefined;
    try {
      network = ctx.networks.find(term);
    } catch (error) {
      if (isRunning(container.state) && !force) throw error;
    }
    const { [network?.name ?? term]: gone, ...left } = networksOf(container);
    if (network === undefined || !isRunning(container.state)) {
      requireKept(container);
      if (gone === undefined) {
        throw new EngineError(
          "internal",
          `container ${container.id} is not connected to the network ${network?.name ?? term}`,
        );
      }
      setNetworks(ctx, container, left);
      return;
    }
    if (container.record.hostConfig.NetworkMode === "host" && network.driver === "host") {
      throw new EngineError(
        "invalid",
        "cannot disconnect container from host network - container was created in host network mode",
      );
    }
    await ctx.networks.disconnect(container, network, filesOf(ctx, container.id));
    setNetworks(ctx, container, left);
  });
}

/** By force, an endpoint is looked for whose container is no more; here none is left behind. */
function findMember(ctx: ContainerContext, name: string, term: string, force: boolean): Container {
  try {
    return ctx.store.find(name);
  } catch (error) {
    if (!force) throw error;
    ctx.networks.find(term);
    throw new EngineError("notFound", `endpoint ${name} not found`, { cause: error });
  }
}

function requireKept(container: Container): void {
  if (!container.removing && container.state.status !== "dead") return;
  throw new EngineError(
    "internal",
    `Container ${container.id} is marked for removal and cannot be connected or disconnected to the network`,
  );
}

function setNetworks(
  ctx: ContainerContext,
  container: Container,
  networks: Record<string, EndpointSettings>,
): void {
  ctx.store.setRecord(container, { ...container.record, networks });
}
