/**
 * A start ahead of its time: a container that is removed at its end is created to be started at once, by a client who has
 * more to ask before it does that (attach, wait). Meanwhile the shim makes everything of the start but the execution of
 * the command. Nobody is told, and nothing shows of it in the container: no state, no event, no file. A start that comes
 * in time lets it go on; anything else that touches the container drops it first (`Container.exclusive`), and so does time.
 *
 * It is done where nothing can be different by the start, nor fail in other words than then. What fails is not told:
 * the start makes all of it anew, and says why it cannot.
 */
import { rmSync, writeFileSync } from "node:fs";
import { EngineError } from "../errors.ts";
import type { Attached } from "../network/attach.ts";
import type { Launched } from "../shim/types.ts";
import type { Container, ContainerRecord } from "./container.ts";
import { type ContainerContext, filesOf, later } from "./context.ts";
import { launchRequest, networkFiles } from "./launch-request.ts";
import { markAsContainer } from "./rootfs.ts";

/** The docker client's start comes some 5 ms after the answer to its create, and later on a busy machine. */
const KEPT_MS = 200;

/** Of the whole daemon. */
export interface Ahead {
  /** One at a time: who creates many containers does not start each at once. */
  prepared?: PreparedStart;
  /** Starts under way: they come first. */
  starting: number;
  /** The daemon ends. */
  closed: boolean;
}

/** With the answer to the create out. */
export function prepareSoon(ctx: ContainerContext, container: Container): void {
  if (!isPlain(container.record)) return;
  setImmediate(() => {
    const work = () => prepare(ctx, container);
    if (!container.busy) later(ctx, container.exclusive(work));
  });
}

/**
 * One that is removed at its end: others may be meant to be kept as they are, and their layer is flushed to the disk when
 * it is unmounted. And whatever the plan is made from is the container's own, or the same for all: what depends on the
 * host's files and devices or on other containers is looked at when it starts, and with a system call filter of the
 * user's it might not get as far.
 */
function isPlain({ hostConfig: h, mounts, networks }: ContainerRecord): boolean {
  const [network, ...others] = Object.keys(networks ?? {});
  return (
    h.AutoRemove &&
    (h.NetworkMode === "none" || h.NetworkMode === "bridge") &&
    network === h.NetworkMode &&
    others.length === 0 &&
    mounts.length === 0 &&
    !h.Privileged &&
    h.PidMode === "" &&
    h.IpcMode === "private" &&
    h.UTSMode === "" &&
    h.CgroupParent === "" &&
    Object.keys(h.LogConfig.Config).length === 0 &&
    !NAMES_HOST.some((field) => h[field]?.length)
  );
}

/** Names of the host's devices, of other containers, of profiles. */
const NAMES_HOST = [
  "Devices",
  "DeviceRequests",
  "BlkioWeightDevice",
  "BlkioDeviceReadBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceWriteIOps",
  "Links",
  "SecurityOpt",
  "VolumesFrom",
] as const;

async function prepare(ctx: ContainerContext, container: Container): Promise<void> {
  const { ahead } = ctx;
  const { status, error } = container.state;
  if (status !== "created" || error !== "" || container.removing || container.removed) return;
  if (ahead.closed || ahead.prepared !== undefined || ahead.starting > 0) return;
  const prepared = new PreparedStart(ctx, container);
  ahead.prepared = container.prepared = prepared;
  await prepared.make();
}

export class PreparedStart {
  readonly #ctx: ContainerContext;
  readonly #container: Container;
  readonly #attempt: string = crypto.randomUUID();
  #making: Promise<void> | undefined;
  #attached: Attached = {};
  #timer: NodeJS.Timeout | undefined;
  #dropped: Promise<void> | undefined;

  constructor(ctx: ContainerContext, container: Container) {
    this.#ctx = ctx;
    this.#container = container;
  }

  /** Never rejects. */
  make(): Promise<void> {
    const soon = (): void => later(this.#ctx, this.drop());
    this.#making = this.#make().then(
      () => {
        this.#timer = setTimeout(soon, KEPT_MS);
      },
      // The start fails the same way, and tells.
      soon,
    );
    return this.#making;
  }

  async #make(): Promise<void> {
    const files = networkFiles(this.#ctx, this.#container);
    // They are bound as they are: the start writes into them.
    for (const file of Object.values(files)) writeFileSync(file, "", { mode: 0o644 });
    this.#attached = await this.#ctx.networks.prepare(this.#container);
    const request = launchRequest(this.#ctx, this.#container, { joins: {}, files, attached: this.#attached });
    // Not waited for: the start hears whether it is there.
    this.#ctx.shim.prepare({ ...request, attempt: this.#attempt }).catch(() => {});
  }

  /** For a start: time does not end it any more. Undefined when something has: then nothing is left of it. */
  async take(): Promise<this | undefined> {
    if (this.#dropped === undefined) {
      this.#forget();
      return this;
    }
    await this.#dropped;
    return undefined;
  }

  /** By who has taken it. Undefined when it is not there: then nothing has been executed, nor will be. */
  async launch({ netns, names }: Attached): Promise<Launched | undefined> {
    const made = this.#attached;
    if (made.netns === netns && made.names?.udp === names?.udp && made.names?.tcp === names?.tcp) {
      try {
        return await this.#ctx.shim.launchPrepared({ id: this.#container.id, attempt: this.#attempt });
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
    await this.#dropLaunch();
    return undefined;
  }

  /** By who has taken it, when its start has failed before: what the start has made is its own affair. Never rejects. */
  async abandon(): Promise<void> {
    await this.#try(async () => {
      await this.#dropLaunch();
      await this.#ctx.networks.dropPrepared(this.#container);
    });
  }

  /** Resolves when all is as it was. Never rejects. */
  drop(): Promise<void> {
    this.#dropped ??= this.#drop().finally(() => this.#forget());
    return this.#dropped;
  }

  async #drop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#making;
    clearTimeout(this.#timer);
    await this.abandon();
    await this.#try(async () => {
      const { id } = this.#container;
      rmSync(filesOf(this.#ctx, id).folder, { recursive: true, force: true });
      // What the mounts lie upon was made in the layer.
      markAsContainer(this.#ctx.images.clear(id));
    });
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#ctx.warn(`what was prepared of ${this.#container.id}: ${(error as Error).message}`);
    }
  }

  async #dropLaunch(): Promise<void> {
    try {
      await this.#ctx.shim.drop(this.#container.id);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#container.prepared = undefined;
    if (this.#ctx.ahead.prepared === this) this.#ctx.ahead.prepared = undefined;
  }
}

/** A shim of a service manager's may be of a build that prepares nothing. */
const isAbsent = (error: unknown): boolean =>
  error instanceof EngineError && (error.kind === "notFound" || error.kind === "notImplemented");
