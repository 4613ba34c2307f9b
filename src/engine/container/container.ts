/** A container as the engine keeps it. */
import type { Descriptor } from "../image/types.ts";
import type { PreparedStart } from "./ahead.ts";
import type { ContainerConfig, EndpointSettings, HostConfig } from "./config.ts";
import type { MountPoint } from "./mount-points.ts";
import type { ContainerState } from "./state.ts";

/** What is decided when it is created, and changed by an update alone; one JSON column. */
export interface ContainerRecord {
  /** RFC 3339 with nanoseconds. */
  created: string;
  path: string;
  args: string[];
  config: ContainerConfig;
  hostConfig: HostConfig;
  image: {
    /** `sha256:…` of the index or manifest. */
    id: string;
    manifest?: Descriptor;
    architecture: string;
    os: string;
    variant?: string;
  };
  mounts: MountPoint[];
  /** By name; absent in rows of builds that had one network alone: the one of the network mode. */
  networks?: Record<string, EndpointSettings>;
}

/** The one operation that goes on with what was prepared. */
export const KEEPS_PREPARED = { keepsPrepared: true };

export class Container {
  readonly id: string;
  /** With its leading slash. */
  name: string;
  record: ContainerRecord;
  state: ContainerState;
  /** Being removed: nothing else may begin. */
  removing = false;
  /** Its row is gone; its files go next. */
  removed = false;
  /** Being restarted: its end is not the end, so AutoRemove does not apply. */
  restarting = false;
  /** Why the last removal failed. */
  removalError = "";
  /** Ids of its execs that are not forgotten yet. */
  readonly execs = new Set<string>();
  /** A start of it that was begun ahead. */
  prepared: PreparedStart | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #locked = 0;
  readonly #watchers = new Set<() => void>();
  /** How many times it has ended since the daemon began, and how at last: what `next-exit` waits for. */
  exits = 0;

  constructor(id: string, name: string, record: ContainerRecord, state: ContainerState) {
    this.id = id;
    this.name = name;
    this.record = record;
    this.state = state;
  }

  /** An operation is under way, or waits. */
  get busy(): boolean {
    return this.#locked > 0;
  }

  /**
   * One operation at a time changes a container, or looks at its files; they run in the order they came, and find it
   * without a start that was prepared.
   */
  async exclusive<T>(operation: () => Promise<T>, { keepsPrepared = false } = {}): Promise<T> {
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = promise;
    // Waiting for nobody would cost a turn of the loop for every operation.
    if (this.#locked++ > 0) await before;
    try {
      if (!keepsPrepared && this.prepared !== undefined) await this.prepared.drop();
      return await operation();
    } finally {
      this.#locked--;
      resolve();
    }
  }

  /** Tells those who wait that the state changed. */
  changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Resolves when `condition` holds; checked now and at every change. Rejects when `signal` is aborted. */
  until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#watchers.delete(watcher);
        signal?.removeEventListener("abort", aborted);
      };
      const watcher = (): void => {
        if (!condition()) return;
        done();
        resolve();
      };
      const aborted = (): void => {
        done();
        reject(signal!.reason);
      };
      if (signal?.aborted) return aborted();
      signal?.addEventListener("abort", aborted);
      this.#watchers.add(watcher);
    });
  }
}
