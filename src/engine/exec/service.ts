/** The exec service: commands run in containers that run. */
import type { Database } from "bun:sqlite";
import type { Duplex } from "node:stream";
import type { Container } from "../container/container.ts";
import { type ContainerExecs, emit } from "../container/context.ts";
import type { Host } from "../container/host.ts";
import type { Attachment, ExecCreateBody, ExecInspect, ExecService } from "../services.ts";
import type { Exit, Supervised } from "../shim/types.ts";
import type { ExecContext } from "./context.ts";
import { create } from "./create.ts";
import { inspect, resize } from "./inspect.ts";
import { findActive, requireFresh, start } from "./start.ts";
import { ExecStore } from "./store.ts";

/** How long the result of one that ended can be asked for. */
const KEPT_MS = 5 * 60_000;
/** The status of one that no shim knows any more, as of a container. */
const LOST = 255;

export class Execs implements ExecService, ContainerExecs {
  readonly #ctx: ExecContext;
  #sweptAt = Date.now();

  constructor({ db, ...rest }: Omit<ExecContext, "execs"> & { db: Database }) {
    this.#ctx = { ...rest, execs: new ExecStore(db) };
    for (const exec of this.#ctx.execs.all()) {
      if (exec.exitCode !== null) continue;
      this.#ctx.store.byId(exec.container)?.execs.add(exec.id);
      // Its client's connection ended with the daemon that was before.
      if (exec.attached) exec.cut = true;
    }
  }

  get host(): Host {
    return this.#ctx.host;
  }

  async create(container: string, body: ExecCreateBody): Promise<{ Id: string }> {
    this.#sweep();
    return create(this.#ctx, container, body);
  }

  check(id: string): void {
    requireFresh(findActive(this.#ctx, id).exec);
  }

  start(id: string, options: { detach: true }): Promise<void>;
  start(
    id: string,
    options: { detach: false; consoleSize?: { cols: number; rows: number } },
  ): Promise<Attachment & { socket: Duplex; detachKeys: string }>;
  start(
    id: string,
    options: { detach: boolean; consoleSize?: { cols: number; rows: number } },
  ): Promise<never> {
    return start(this.#ctx, id, options) as Promise<never>;
  }

  resize(id: string, size: { cols: number; rows: number }): Promise<void> {
    return resize(this.#ctx, id, size);
  }

  async inspect(id: string): Promise<ExecInspect> {
    return inspect(this.#ctx, id);
  }

  /** An exit that the shim reports: true when it was one of an exec. */
  ended({ id, status }: Exit): boolean {
    const exec = this.#ctx.execs.get(id);
    if (exec === undefined) return false;
    if (exec.exitCode !== null) return true;
    exec.running = false;
    exec.exitCode = status;
    exec.endedAt = Date.now();
    this.#ctx.execs.save(exec);
    this.#ctx.execs.told("end", id);
    const container = this.#ctx.store.byId(exec.container);
    if (container !== undefined) {
      container.execs.delete(id);
      emit(this.#ctx, container, "exec_die", { execID: id, exitCode: String(status) });
    }
    return true;
  }

  reconcile(): (supervised: ReadonlyMap<string, Supervised>) => void {
    // What is started while the shim is asked must not be taken for lost.
    const before = [...this.#ctx.execs.all()].filter((exec) => exec.running && exec.pid !== 0);
    return (supervised) => {
      for (const { id, running } of before) {
        if (running && !supervised.has(id)) this.ended({ id, status: LOST, time: "0", oomKilled: false });
      }
      for (const { id, pid, exit } of supervised.values()) {
        const exec = this.#ctx.execs.get(id);
        if (exec === undefined || exec.running || exec.exitCode !== null || exit !== undefined) continue;
        // It was started, and then the daemon was killed before it could write so.
        exec.running = true;
        exec.cut = true;
        exec.pid = pid;
        this.#ctx.execs.save(exec);
      }
    };
  }

  forget(container: Container): void {
    this.#ctx.execs.deleteOf(container.id);
    container.execs.clear();
  }

  /** Forgets those that ended long ago; now and then, when a new one comes. */
  #sweep(): void {
    const now = Date.now();
    if (now - this.#sweptAt < KEPT_MS) return;
    this.#sweptAt = now;
    for (const exec of [...this.#ctx.execs.all()]) {
      if (exec.endedAt !== undefined && now - exec.endedAt > KEPT_MS) this.#ctx.execs.delete(exec.id);
    }
  }
}
