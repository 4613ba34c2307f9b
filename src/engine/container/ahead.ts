/**
 * A start ahead of its time: a container that is removed at its end is created to be started at once, by a client who has
 * more to ask before it does that (attach, wait). Meanwhile the shim makes everything of the start but the execution of
 * the command. Nobody is told, and nothing shows of it in the container: no state, no event, no file. A start that comes
 * in time lets it go on; anything else that touches the container drops it first (`Container.exclusive`), and so does time.
 *
 * It is done where nothing can be different by the start, nor fail in other words than then. What fails is not told:
 * the start makes all of it anew, and says why it cannot.
 */
import { rmSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { EngineError } from "../errors.ts";
import type { Attached } from "../network/attach.ts";
import type { EtcFiles } from "../network/files.ts";
import type { Launched } from "../shim/types.ts";
import type { Container, ContainerRecord } from "./container.ts";
import { type ContainerContext, filesOf, later } from "./context.ts";
import { launchRequest } from "./launch-request.ts";
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

/**
 * Of a new container, before its row is written: the shim works beside that. Where nothing has to be made for its network,
 * the shim has been told when this returns. When the row cannot be written, it is to be dropped.
 */
export function prepareStart(ctx: ContainerContext, container: Container): void {
  const { ahead } = ctx;
  if (!isPlain(container.record)) return;
  if (ahead.closed || ahead.prepared !== undefined || ahead.starting > 0) return;
  const prepared = new PreparedStart(ctx, container);
  const work = (): Promise<void> => {
    ahead.prepared = container.prepared = prepared;
    return prepared.make();
  };
  later(ctx, container.exclusive(work));
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

export class PreparedStart {
  readonly #ctx: ContainerContext;
  readonly #container: Container;
  readonly #attempt: string = crypto.randomUUID();
  /** The start is to bind these. */
  readonly files: EtcFiles;
  #making: Promise<void> | undefined;
  #attached: Attached = {};
  #timer: NodeJS.Timeout | undefined;
  #dropped: Promise<void> | undefined;

  constructor(ctx: ContainerContext, container: Container) {
    this.#ctx = ctx;
    this.#container = container;
    const { hostname, hosts, resolvConf } = filesOf(ctx, container.id);
    this.files = { hostname, hosts, resolvConf, written: new Map() };
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
    const { files } = this;
    this.#ctx.spare.place(filesOf(this.#ctx, this.#container.id).folder);
    const attached = this.#ctx.networks.prepare(this.#container);
    if (attached !== undefined) this.#attached = await attached;
    const input = { joins: {}, files, attached: this.#attached, isNew: true };
    const request = launchRequest(this.#ctx, this.#container, input);
    // Not waited for: the start hears whether it is there.
    this.#ctx.shim.prepare({ ...request, attempt: this.#attempt }).catch(() => {});
    // With the answer to the create out.
    await nextTurn();
    this.#ctx.networks.prepareFiles(this.#container, files);
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
    await dropLaunch(this.#ctx, this.#container.id);
    return undefined;
  }

  /** By who has taken it, when its start has failed before: what the start has made is its own affair. Never rejects. */
  async abandon(): Promise<void> {
    await this.#try(async () => {
      await dropLaunch(this.#ctx, this.#container.id);
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

  #forget(): void {
    clearTimeout(this.#timer);
    this.#container.prepared = undefined;
    if (this.#ctx.ahead.prepared === this) this.#ctx.ahead.prepared = undefined;
  }
}

/** Whatever the shim has prepared of it, for a daemon before this one even. */
export async function dropLaunch({ shim }: Pick<ContainerContext, "shim">, id: string): Promise<void> {
  try {
    await shim.drop(id);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

/** A shim of a service manager's may be of a build that prepares nothing. */
const isAbsent = (error: unknown): boolean =>
  error instanceof EngineError && (error.kind === "notFound" || error.kind === "notImplemented");
