/** POST /containers/NAME/pause and /unpause. */
import { EngineError } from "../errors.ts";
import { type ContainerContext, emit, notRunning, requireRunning } from "./context.ts";
import { hasEnded } from "./process.ts";

export async function pause(ctx: ContainerContext, name: string): Promise<void> {
  const container = ctx.store.find(name);
  await container.exclusive(async () => {
    requireRunning(container);
    if (container.state.status === "paused")
      throw new EngineError("conflict", `container ${container.id} is already paused`);
    try {
      await ctx.shim.pause(container.id);
    } catch (cause) {
      if (hasEnded(container)) throw notRunning(container);
      throw new EngineError(
        "internal",
        `cannot pause container ${container.id}: ${(cause as Error).message}`,
        { cause },
      );
    }
    ctx.store.setState(container, { status: "paused" });
    emit(ctx, container, "pause");
  });
}

export async function unpause(ctx: ContainerContext, name: string): Promise<void> {
  const container = ctx.store.find(name);
  await container.exclusive(async () => {
    if (container.state.status !== "paused")
      throw new EngineError("internal", `Container ${container.id} is not paused`);
    try {
      await ctx.shim.unpause(container.id);
    } catch (cause) {
      throw new EngineError(
        "internal",
        `Cannot unpause container ${container.id}: ${(cause as Error).message}`,
        { cause },
      );
    }
    ctx.store.setState(container, { status: "running" });
    emit(ctx, container, "unpause");
  });
}
