/** A container ended. */
import type { Exit } from "../shim/types.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit, later } from "./context.ts";
import { release, removeContainer } from "./remove.ts";
import { dropShm } from "./shm.ts";
import { type ContainerState, isRunning, milliseconds, timeOf } from "./state.ts";

/** What the shim reports: stored first, only then may the shim forget it. */
export async function handleExit(ctx: ContainerContext, exit: Exit): Promise<void> {
  const container = ctx.store.byId(exit.id);
  if (container === undefined) {
    ctx.execs.ended(exit);
    await ctx.shim.release(exit.id);
    return;
  }
  // A restart goes on with the same container; whoever asked for the removal removes it.
  const remove = container.record.hostConfig.AutoRemove && !container.restarting && !container.removing;
  const removed = remove || container.removing;
  await container.exclusive(async () => {
    const { state } = container;
    if (isRunning(state)) {
      // Told twice, and meanwhile it was started again.
      if (milliseconds(timeOf(exit.time)) < milliseconds(state.startedAt)) return;
      await ctx.networks.leavePorts(container);
      ended(ctx, container, exit, { stored: !removed });
    }
    // Before the lock is free: a start must not find the old process.
    if (!removed) await release(ctx, container);
  });
  if (!removed) return;
  if (remove) {
    await removeContainer(ctx, container, { force: true, volumes: true }).catch((error: Error) =>
      ctx.warn(`removing ${container.id}, which was to be removed at its end: ${error.message}`),
    );
  } else await container.until(() => container.removed || !container.removing);
  // What removes it releases it.
  if (!container.removed) await release(ctx, container);
}

/**
 * Writes the end and tells the world. The caller holds the lock. Not `stored`: the row is about to go, and until it has,
 * the shim knows of the end.
 */
export function ended(
  ctx: ContainerContext,
  container: Container,
  exit: Pick<Exit, "status" | "time" | "oomKilled" | "reason">,
  { stored = true }: { stored?: boolean } = {},
): void {
  const finishedAt = timeOf(exit.time);
  const seconds = Math.max(
    0,
    Math.trunc((milliseconds(finishedAt) - milliseconds(container.state.startedAt)) / 1000),
  );
  later(ctx, ctx.networks.leave(container));
  container.exits++;
  ctx.execs.forget(container);
  const state: Partial<ContainerState> = {
    status: "exited",
    pid: 0,
    exitCode: exit.status,
    error: exit.reason ?? "",
    oomKilled: exit.oomKilled || container.state.oomKilled,
    finishedAt,
  };
  if (stored) ctx.store.setState(container, state);
  else ctx.store.noteState(container, state);
  for (const mount of container.record.mounts) {
    if (mount.type === "volume") ctx.volumes.unmounted(mount.name!, container.id);
  }
  dropShm(ctx, container);
  emit(ctx, container, "die", { exitCode: String(exit.status), execDuration: String(seconds) });
}

export function handleOom(ctx: ContainerContext, id: string): void {
  const container = ctx.store.byId(id);
  if (container === undefined || !isRunning(container.state)) return;
  if (!container.state.oomKilled) ctx.store.setState(container, { oomKilled: true });
  emit(ctx, container, "oom");
}
