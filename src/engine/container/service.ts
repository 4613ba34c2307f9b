/** The container service: every operation is a file of its own, this ties them to one context. */
import type { Filters } from "../filters.ts";
import type { ImageUser } from "../image/types.ts";
import type {
  Attachment,
  AttachRequest,
  ByteStream,
  ContainerInspect,
  ContainerService,
  ContainerStats,
  ContainerSummary,
  LogOptions,
  PathStat,
  StatsOptions,
  WaitCondition,
  WaitResult,
} from "../services.ts";
import { archive, changes, exportRoot, extract, statPath } from "./archive.ts";
import { attach, resize } from "./attach.ts";
import type { CreateBody, EndpointConfig } from "./config.ts";
import { connectNetwork, disconnectNetwork } from "./connect.ts";
import type { ContainerContext } from "./context.ts";
import { type CreateRequest, create } from "./create.ts";
import { handleExit, handleOom } from "./exit.ts";
import { inspect } from "./inspect.ts";
import { kill } from "./kill.ts";
import { type ListOptions, list } from "./list.ts";
import { logs } from "./logs.ts";
import { pause, unpause } from "./pause.ts";
import { prune } from "./prune.ts";
import { reconcile, restore } from "./reconcile.ts";
import { remove } from "./remove.ts";
import { rename } from "./rename.ts";
import { start } from "./start.ts";
import { isRunning } from "./state.ts";
import { stats } from "./stats.ts";
import { restart, type StopOptions, stop, stopContainer } from "./stop.ts";
import { top } from "./top.ts";
import { update } from "./update.ts";
import { wait } from "./wait.ts";

export class Containers implements ContainerService {
  readonly #ctx: ContainerContext;

  constructor(ctx: ContainerContext) {
    this.#ctx = ctx;
    const later = (what: string, work: Promise<void>) =>
      work.catch((error: Error) => ctx.warn(`${what}: ${error.message}`));
    ctx.shim.onExit((exit) => void later(`the end of ${exit.id}`, handleExit(ctx, exit)));
    ctx.shim.onOom(({ id }) => handleOom(ctx, id));
    // The first connection is restore's.
    ctx.shim.onConnect(() => {
      if (this.#restored) void later("taking containers back from the shim", reconcile(ctx));
    });
  }

  #restored = false;

  create(request: CreateRequest): Promise<{ Id: string; Warnings: string[] }> {
    return create(this.#ctx, request);
  }

  list(options: ListOptions): Promise<ContainerSummary[]> {
    return list(this.#ctx, options);
  }

  inspect(name: string, options: { size: boolean }): Promise<ContainerInspect> {
    return inspect(this.#ctx, name, options);
  }

  start(name: string): Promise<void> {
    return start(this.#ctx, name);
  }

  stop(name: string, options: StopOptions): Promise<void> {
    return stop(this.#ctx, name, options);
  }

  restart(name: string, options: StopOptions): Promise<void> {
    return restart(this.#ctx, name, options);
  }

  kill(name: string, signal: string): Promise<void> {
    return kill(this.#ctx, name, signal);
  }

  pause(name: string): Promise<void> {
    return pause(this.#ctx, name);
  }

  unpause(name: string): Promise<void> {
    return unpause(this.#ctx, name);
  }

  rename(name: string, to: string): Promise<void> {
    return rename(this.#ctx, name, to);
  }

  remove(name: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void> {
    return remove(this.#ctx, name, options);
  }

  resize(name: string, size: { cols: number; rows: number }): Promise<void> {
    return resize(this.#ctx, name, size);
  }

  async wait(
    name: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ result: Promise<WaitResult> }> {
    return wait(this.#ctx, name, condition, signal);
  }

  async logs(name: string, options: LogOptions): Promise<{ tty: boolean; content: ByteStream }> {
    return logs(this.#ctx, name, options);
  }

  attach(name: string, request: AttachRequest): Promise<Attachment> {
    return attach(this.#ctx, name, request);
  }

  stats(name: string, options: StatsOptions): AsyncIterable<ContainerStats> {
    return stats(this.#ctx, name, options);
  }

  update(
    name: string,
    limits: NonNullable<CreateBody["HostConfig"]>,
  ): Promise<{ Warnings: string[] | null }> {
    return update(this.#ctx, name, limits);
  }

  top(
    name: string,
    psArgs: string[],
    signal?: AbortSignal,
  ): Promise<{ Titles: string[]; Processes: string[][] }> {
    return top(this.#ctx, name, psArgs, signal);
  }

  changes(name: string, signal?: AbortSignal) {
    return changes(this.#ctx, name, signal);
  }

  export(name: string, signal?: AbortSignal): Promise<ByteStream> {
    return exportRoot(this.#ctx, name, signal);
  }

  statPath(name: string, path: string, signal?: AbortSignal): Promise<PathStat> {
    return statPath(this.#ctx, name, path, signal);
  }

  archive(
    name: string,
    path: string,
    signal?: AbortSignal,
  ): Promise<{ stat: PathStat; content: ByteStream }> {
    return archive(this.#ctx, name, path, signal);
  }

  extract(
    name: string,
    path: string,
    body: ReadableStream<Uint8Array>,
    options: { noOverwriteDirNonDir: boolean; copyUidGid: boolean; signal?: AbortSignal },
  ): Promise<void> {
    return extract(this.#ctx, name, path, body, options);
  }

  connectNetwork(name: string, network: string, settings: EndpointConfig | null | undefined): Promise<void> {
    return connectNetwork(this.#ctx, name, network, settings);
  }

  disconnectNetwork(name: string, network: string, force: boolean): Promise<void> {
    return disconnectNetwork(this.#ctx, name, network, force);
  }

  prune(filters: Filters): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
    return prune(this.#ctx, filters);
  }

  count(): { running: number; paused: number; stopped: number } {
    const counts = { running: 0, paused: 0, stopped: 0 };
    for (const { state } of this.#ctx.store.all()) {
      if (state.status === "paused") counts.paused++;
      else if (isRunning(state)) counts.running++;
      else counts.stopped++;
    }
    return counts;
  }

  /** For the image service: who uses which image. */
  users(): ImageUser[] {
    return [...this.#ctx.store.all()].map(({ id, record, state }) => ({
      id,
      imageId: record.image.id,
      manifest: record.image.manifest?.digest,
      reference: record.config.Image,
      running: isRunning(state),
    }));
  }

  async restore(): Promise<void> {
    await restore(this.#ctx);
    this.#restored = true;
  }

  /** Resolves when nothing is under way that was answered already. */
  async settle(): Promise<void> {
    const { ahead } = this.#ctx;
    ahead.closed = true;
    await ahead.prepared?.drop();
    await Promise.all(this.#ctx.afterwards);
  }

  async shutdown(): Promise<void> {
    const running = [...this.#ctx.store.all()].filter(({ state }) => isRunning(state));
    await Promise.all(
      running.map((container) =>
        stopContainer(this.#ctx, container, {}).catch((error: Error) =>
          this.#ctx.warn(`stopping ${container.id}: ${error.message}`),
        ),
      ),
    );
  }
}
