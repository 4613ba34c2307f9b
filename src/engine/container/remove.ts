/** DELETE /containers/NAME. */
import { rm } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { EngineError } from "../errors.ts";
import { parseLink } from "../network/settings.ts";
import { reasonOf } from "../reason.ts";
import { dropParents } from "./cgroup-parents.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit, filesOf, later } from "./context.ts";
import { killAndWait } from "./kill.ts";
import { SIGKILL } from "./signals.ts";
import { isRunning } from "./state.ts";

/** How long a start may take that somebody waits for to remove the container. */
const START_PATIENCE_MS = 300;

export async function remove(
  ctx: ContainerContext,
  name: string,
  options: { force: boolean; volumes: boolean; link: boolean },
): Promise<void> {
  if (options.link) return removeLink(ctx, name);
  const container = ctx.store.find(name);
  if (container.removing)
    throw new EngineError("conflict", `removal of container ${name} is already in progress`);
  try {
    await removeContainer(ctx, container, options);
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : "internal";
    throw new EngineError(kind, `cannot remove container ${JSON.stringify(name)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** `PARENT/ALIAS` names a link of the old kind. */
function removeLink(ctx: ContainerContext, name: string): void {
  const slash = name.replace(/^\//, "").indexOf("/");
  if (slash < 0) {
    ctx.store.find(name);
    throw new EngineError("internal", "Conflict, cannot remove the default link name of the container");
  }
  const [parentName, alias] = [
    name.replace(/^\//, "").slice(0, slash),
    name.replace(/^\//, "").slice(slash + 1),
  ];
  const parent = ctx.store.find(parentName);
  const { hostConfig } = parent.record;
  const left = (hostConfig.Links ?? []).filter((link) => parseLink(link).alias !== alias);
  if (left.length === (hostConfig.Links?.length ?? 0)) {
    throw new EngineError("notFound", `No such container: ${name}`);
  }
  const Links = left.length > 0 ? left : null;
  ctx.store.setRecord(parent, { ...parent.record, hostConfig: { ...hostConfig, Links } });
  ctx.networks.unlinked(parent, alias);
}

/** Removes it unless somebody else does already. */
export async function removeContainer(
  ctx: ContainerContext,
  container: Container,
  options: { force: boolean; volumes: boolean },
): Promise<void> {
  if (container.removing || container.removed) return;
  container.removing = true;
  try {
    let erased = false;
    while (!erased) {
      if (isRunning(container.state)) {
        if (!options.force) throw stillRunning(container);
        await killAndWait(ctx, container);
      }
      // A start that was under way has come first: what runs has to be ended before its row goes.
      const waits = container.busy;
      const turn = Promise.withResolvers<void>();
      const ours = container.exclusive(async () => {
        turn.resolve();
        if (isRunning(container.state)) return;
        await erase(ctx, container, options.volumes);
        erased = true;
      });
      if (waits && options.force) await abortStart(ctx, container, Promise.race([turn.promise, ours]));
      await ours;
    }
  } catch (error) {
    container.removalError = (error as Error).message;
    container.removing = false;
    container.changed();
    if (!isRunning(container.state)) keepState(ctx, container);
    throw error;
  }
}

/** Until it is our turn: something that the container is made of may be stopped, and its start not come to an end. */
async function abortStart({ shim }: ContainerContext, { id }: Container, turn: Promise<void>): Promise<void> {
  // Not in the shim's hands, or not a start: then there is nothing to be killed.
  const kill = (): void => void shim.signal(id, SIGKILL, true).catch(() => {});
  const timer = setInterval(kill, START_PATIENCE_MS);
  try {
    await turn;
  } finally {
    clearInterval(timer);
  }
}

/** Its end was not written, since the row was to go. */
function keepState(ctx: ContainerContext, container: Container): void {
  try {
    ctx.store.setState(container, {});
  } catch (error) {
    ctx.warn(`storing the end of ${container.id}: ${(error as Error).message}`);
  }
}

function stillRunning(container: Container): EngineError {
  if (container.state.status === "paused") {
    return new EngineError("conflict", "container is paused and must be unpaused first");
  }
  return new EngineError(
    "conflict",
    `container is ${container.state.status}: stop the container before removing or force remove`,
  );
}

/**
 * The row goes first: what a crash then leaves on disk belongs to nobody, and start-up sweeps it. So nobody has to
 * wait for the disk either. Volumes are told of in events of their own, which come before.
 */
async function erase(ctx: ContainerContext, container: Container, volumes: boolean): Promise<void> {
  const own = volumes
    ? container.record.mounts.filter((mount) => mount.type === "volume").map((mount) => mount.name!)
    : [];
  ctx.execs.forget(container);
  ctx.store.remove(container);
  const failed = (error: Error): void => ctx.warn(`removing the files of ${container.id}: ${error.message}`);
  if (own.length > 0) await ctx.volumes.discard(own).catch(failed);
  container.removed = true;
  emit(ctx, container, "destroy");
  container.changed();
  later(ctx, sweep(ctx, container).catch(failed));
}

async function sweep(ctx: ContainerContext, container: Container): Promise<void> {
  const { id } = container;
  // When those who waited for the removal have their answers.
  await nextTurn();
  const released = release(ctx, container).catch((error: Error) =>
    ctx.warn(`releasing ${id}: ${error.message}`),
  );
  await Promise.all([
    // While it is mounted, a file system's layers had better stay.
    released.then(() => ctx.images.discard(id)),
    rm(filesOf(ctx, id).folder, { recursive: true, force: true }),
  ]);
}

/**
 * After its end: when the shim has forgotten it, its mounts and its cgroups are gone, and what was made for them can go.
 */
export async function release(ctx: ContainerContext, container: Container): Promise<void> {
  await ctx.shim.release(container.id);
  dropParents(ctx, container);
}
