/** POST /containers/NAME/start: from a row to a running process. */
import { EngineError } from "../errors.ts";
import type { Attached } from "../network/attach.ts";
import type { Launched, LaunchRequest } from "../shim/types.ts";
import { formatTook, Stopwatch } from "../stopwatch.ts";
import type { PreparedStart } from "./ahead.ts";
import { claimParents, dropParents } from "./cgroup-parents.ts";
import { type Container, KEEPS_PREPARED } from "./container.ts";
import { type ContainerContext, emit, later, requireRunning } from "./context.ts";
import { type LaunchInput, launchRequest, networkFiles } from "./launch-request.ts";
import { removeContainer } from "./remove.ts";
import { dropShm, ipcDonor } from "./shm.ts";
import type { Joined } from "./spec.ts";
import type { NetworkFiles } from "./spec-mounts.ts";
import { launchError, otherStartError } from "./start-error.ts";
import { type ContainerState, isRunning, statusWord, timeOf } from "./state.ts";
import { joinedContainer } from "./validate.ts";

export async function start(ctx: ContainerContext, name: string): Promise<void> {
  const container = ctx.store.find(name);
  await startContainer(ctx, container);
}

/** @throws EngineError notModified when it runs already */
export async function startContainer(ctx: ContainerContext, container: Container): Promise<void> {
  requireStartable(container);
  // A start that is refused changes nothing; one that fails, for a container to be joined that is not running, say,
  // takes one that is to be removed with it: its client waits for that.
  let refused = true;
  try {
    await container.exclusive(async () => {
      requireStartable(container);
      refused = false;
      ctx.ahead.starting++;
      await launch(ctx, container).finally(() => ctx.ahead.starting--);
    }, KEEPS_PREPARED);
  } catch (error) {
    if (container.record.hostConfig.AutoRemove && !isRunning(container.state) && !refused) {
      await removeContainer(ctx, container, { force: true, volumes: true }).catch((cause: Error) =>
        ctx.warn(`removing ${container.id} after its start failed: ${cause.message}`),
      );
    }
    throw error;
  }
}

function requireStartable(container: Container): void {
  if (container.state.status === "paused") {
    throw new EngineError("conflict", "cannot start a paused container, try unpause instead");
  }
  if (isRunning(container.state)) throw new EngineError("notModified", "container is already running");
  if (container.removing || container.removed || container.state.status === "dead") {
    throw new EngineError("conflict", "container is marked for removal and cannot be started");
  }
}

async function launch(ctx: ContainerContext, container: Container): Promise<void> {
  const watch = new Stopwatch();
  const prepared = await container.prepared?.take();
  let input: LaunchInput;
  try {
    const joins = joined(ctx, container);
    const files = prepared?.files ?? networkFiles(ctx, container);
    const attached = await attach(ctx, container, files);
    Object.assign(watch.took, attached.took);
    watch.step("network");
    input = { joins, files, attached };
  } catch (cause) {
    await prepared?.abandon();
    return fail(ctx, container, otherStartError(cause));
  }
  const launched = await run(ctx, container, { input, prepared, watch });
  watch.step("shim");
  started(ctx, container, launched);
  watch.step("row");
  ctx.debug?.(`start ${container.id}: ${formatTook({ ...watch.took, ...launched.took })}`);
}

interface Run {
  input: LaunchInput;
  /** Taken. */
  prepared: PreparedStart | undefined;
  watch: Stopwatch;
}

async function run(
  ctx: ContainerContext,
  container: Container,
  { input, prepared, watch }: Run,
): Promise<Launched> {
  const failed = (cause: unknown): never =>
    fail(ctx, container, launchError(cause, container.record.config.WorkingDir));
  const launched = await prepared?.launch(input.attached).catch(failed);
  if (launched !== undefined) return launched;
  let request: LaunchRequest;
  try {
    request = launchRequest(ctx, container, input);
    if (Object.keys(container.record.hostConfig.LogConfig.Config).length > 0)
      await openLog(request.log, container);
  } catch (cause) {
    return fail(ctx, container, otherStartError(cause));
  }
  watch.step("spec");
  claimParents(ctx, container);
  return ctx.shim.launch(request).catch(failed);
}

/** What the log's options ask for is found out at each start, as in Docker: its name may have changed. */
async function openLog(log: LaunchRequest["log"], container: Container): Promise<void> {
  if (log.driver === "none") return;
  try {
    const { logAttributes } = await import("./log-attributes.ts");
    log.attributes = logAttributes(container);
  } catch (cause) {
    const message = `failed to create task for container: failed to initialize logging driver: ${(cause as Error).message}`;
    throw new EngineError("internal", message, { cause });
  }
}

/** How long the row of one that is to be removed waits for its end, which saves writing it. */
const BEHIND_MS = 50;

/**
 * The process runs: written before the client hears of it; of one that is removed at its end a little later, if it then
 * runs still. When the daemon is killed before that, the shim says to the next that it runs; and when the shim knows of
 * none, a row that says it ran would be removed just the same. Also for one that was found running after a crash.
 */
export function started(ctx: ContainerContext, container: Container, { pid, startedAt }: Launched): void {
  const state: Partial<ContainerState> = {
    status: "running",
    pid,
    startedAt: timeOf(startedAt),
    exitCode: 0,
    error: "",
    oomKilled: false,
    bootId: ctx.host.bootId,
  };
  if (container.record.hostConfig.AutoRemove) {
    ctx.store.noteState(container, state);
    later(ctx, writeBehind(ctx, container));
  } else ctx.store.setState(container, state);
  for (const mount of container.record.mounts) {
    if (mount.type === "volume") ctx.volumes.mounted(mount.name!, container.id, mount.destination, mount.rw);
  }
  emit(ctx, container, "start");
}

async function writeBehind(ctx: ContainerContext, container: Container): Promise<void> {
  await Bun.sleep(BEHIND_MS);
  try {
    if (!container.removed) ctx.store.write(container);
  } catch (error) {
    ctx.warn(`storing the start of ${container.id}: ${(error as Error).message}`);
  }
}

function fail(
  ctx: ContainerContext,
  container: Container,
  failure: { error: EngineError; exitCode: number },
): never {
  dropShm(ctx, container);
  dropParents(ctx, container);
  later(ctx, ctx.networks.leave(container));
  ctx.store.setState(container, { error: failure.error.message, exitCode: failure.exitCode });
  throw failure.error;
}

/** That of the container whose network is shared. */
function networkPid(ctx: ContainerContext, { id, record }: Container): number | undefined {
  const name = joinedContainer(record.hostConfig.NetworkMode);
  if (name === undefined) return undefined;
  let other: Container;
  try {
    other = ctx.store.find(name);
  } catch (error) {
    throw new EngineError("internal", `joining network namespace of container: ${(error as Error).message}`);
  }
  if (other.id === id) throw new EngineError("internal", "cannot join own network namespace");
  if (!isRunning(other.state)) {
    throw new EngineError(
      "conflict",
      `cannot join network namespace of a non running container: container ${other.name.slice(1)} is ${statusWord(other.state, other.removing)}`,
    );
  }
  return other.state.pid;
}

/** That of the container whose processes are shared. Whatever is wrong with it, Docker takes for a fault of its own. */
function sharedPid(ctx: ContainerContext, { record }: Container): number | undefined {
  const name = joinedContainer(record.hostConfig.PidMode);
  if (name === undefined) return undefined;
  try {
    const other = ctx.store.find(name);
    requireRunning(other);
    return other.state.pid;
  } catch (error) {
    throw new EngineError("internal", `failed to join PID namespace: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** In the order in which Docker finds out what is wrong. */
const joined = (ctx: ContainerContext, container: Container): Joined => ({
  network: networkPid(ctx, container),
  ipc: ipcDonor(ctx, container)?.state.pid,
  pid: sharedPid(ctx, container),
});

/** Its networks, which it keeps by their ids from now on. One that shares another's has none of its own. */
async function attach(ctx: ContainerContext, container: Container, files: NetworkFiles): Promise<Attached> {
  if (joinedContainer(container.record.hostConfig.NetworkMode) !== undefined) return {};
  try {
    const pinned = ctx.networks.pin(container);
    if (pinned !== undefined) {
      const { record } = container;
      const hostConfig = { ...record.hostConfig, NetworkMode: pinned.mode };
      const changed = { ...record, networks: pinned.networks, hostConfig };
      // With its start, or never.
      if (hostConfig.AutoRemove) container.record = changed;
      else ctx.store.setRecord(container, changed);
    }
    return await ctx.networks.attach(container, files);
  } catch (cause) {
    const kind = cause instanceof EngineError ? cause.kind : "internal";
    throw new EngineError(kind, `failed to set up container networking: ${(cause as Error).message}`, {
      cause,
    });
  }
}
