/**
 * Brings rows and reality together: when the daemon starts, and whenever the shim was reached anew. Whatever a crash
 * of either left half done is finished here.
 */
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { EngineError } from "../errors.ts";
import { nowNs } from "../log/time.ts";
import type { Supervised } from "../shim/types.ts";
import { dropLaunch } from "./ahead.ts";
import { dropParents } from "./cgroup-parents.ts";
import type { Container } from "./container.ts";
import type { ContainerContext } from "./context.ts";
import { ended, handleExit } from "./exit.ts";
import { removeContainer } from "./remove.ts";
import { unmountShm } from "./shm.ts";
import { SIGKILL } from "./signals.ts";
import { started } from "./start.ts";
import { isRunning, timeOf } from "./state.ts";

/** What Docker reports of a container that was gone when nobody looked. */
const LOST = 255;

export async function reconcile(ctx: ContainerContext): Promise<void> {
  // Taken before the question: what is started while it is under way must not be taken for lost.
  const before = new Map<Container, string>();
  const exits = new Map<Container, number>();
  for (const container of ctx.store.all()) {
    exits.set(container, container.exits);
    if (isRunning(container.state)) before.set(container, container.state.startedAt);
  }
  const reconcileExecs = ctx.execs.reconcile();
  const supervised = new Map((await ctx.shim.list()).map((entry) => [entry.id, entry]));
  for (const [container, startedAt] of before) {
    if (!supervised.has(container.id)) await lost(ctx, container, startedAt);
  }
  const takeBack = async (entry: Supervised): Promise<void> => {
    const container = ctx.store.byId(entry.id);
    if (container !== undefined) await found(ctx, container, entry, exits.get(container) ?? 0);
    else if (entry.exit !== undefined) await handleExit(ctx, entry.exit);
    else if (entry.container === entry.id) await stray(ctx, entry.id);
  };
  // At once: whoever waits for the end of one must not wait for another's removal, nor miss it when that fails.
  const taken = [...supervised.values()].map((entry) =>
    takeBack(entry).catch((error: Error) => ctx.warn(`taking back ${entry.id}: ${error.message}`)),
  );
  await Promise.all(taken);
  reconcileExecs(supervised);
}

/** It ran, and no shim knows it: the host was booted, or its keeper is gone without a record. */
async function lost(ctx: ContainerContext, container: Container, startedAt: string): Promise<void> {
  await container.exclusive(async () => {
    if (!isRunning(container.state) || container.state.startedAt !== startedAt) return;
    const reason = container.state.bootId === ctx.host.bootId ? "the container's keeper is gone" : "";
    ended(ctx, container, { status: LOST, time: nowNs().toString(), oomKilled: false, reason });
    dropParents(ctx, container);
  });
}

/** `exits`: how often it had ended when the shim was asked. */
async function found(
  ctx: ContainerContext,
  container: Container,
  entry: Supervised,
  exits: number,
): Promise<void> {
  await container.exclusive(async () => {
    const { state } = container;
    // It ran when the shim was asked, and its end was told and stored since: to take it for running would lose that.
    if (entry.exit === undefined && container.exits !== exits) return;
    if (!isRunning(state)) {
      // Started, and then the daemon was killed before it could write so; or its end is written already.
      if (state.finishedAt !== timeOf(entry.exit?.time ?? 0n)) started(ctx, container, entry);
    } else if (entry.exit === undefined && (state.status === "paused") !== entry.paused) {
      ctx.store.setState(container, { status: entry.paused ? "paused" : "running" });
    }
  });
  if (entry.exit !== undefined) await handleExit(ctx, entry.exit);
}

/** A process of a container that was removed while it was being started. */
async function stray(ctx: ContainerContext, id: string): Promise<void> {
  try {
    await ctx.shim.signal(id, SIGKILL, true);
    ctx.warn(`killed ${id}, which no container claims`);
  } catch (error) {
    // It ran when the shim was asked, and was removed at its end since.
    if (error instanceof EngineError && error.kind === "notFound") return;
    ctx.warn(`killing ${id}, which no container claims: ${(error as Error).message}`);
  }
}

/** Once, when the daemon starts, before any client. */
export async function restore(ctx: ContainerContext): Promise<void> {
  await reconcile(ctx);
  for (const container of [...ctx.store.all()]) {
    if (isRunning(container.state) || !container.record.hostConfig.AutoRemove) continue;
    await removeContainer(ctx, container, { force: true, volumes: true });
  }
  await sweep(ctx);
}

/** Files of containers that are no more, and what is mounted for those that do not run. */
async function sweep(ctx: ContainerContext): Promise<void> {
  let names: string[];
  try {
    names = readdirSync(ctx.folder);
  } catch {
    return;
  }
  for (const name of names) {
    const container = ctx.store.byId(name);
    if (container === undefined || !isRunning(container.state)) unmountShm(ctx, name);
    if (container !== undefined) continue;
    // It was being created, perhaps, and what was prepared of its start uses them.
    await dropLaunch(ctx, name);
    await rm(`${ctx.folder}/${name}`, { recursive: true, force: true });
  }
  await ctx.volumes.sweep();
}
