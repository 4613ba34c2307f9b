/**
 * Shared memory that containers have in common. One with `--ipc shareable` has its /dev/shm from a file system of the
 * host's, in the container's own folder: a mount in its own namespace could not be bound by another. It is there
 * while the container runs.
 */
import { mkdirSync } from "node:fs";
import { mountTmpfs, unmountAll } from "../../ffi/tmpfs.ts";
import { EngineError } from "../errors.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, filesOf, notRunning } from "./context.ts";
import { isRunning } from "./state.ts";
import { joinedContainer } from "./validate.ts";

type Context = Pick<ContainerContext, "folder" | "store">;

const TARGET = "/dev/shm";

/** It shares its own; not when the user mounts something else there. */
const isShareable = ({ record: { hostConfig, mounts } }: Container): boolean =>
  hostConfig.IpcMode === "shareable" &&
  hostConfig.Tmpfs?.[TARGET] === undefined &&
  !mounts.some(({ destination }) => destination === TARGET);

/**
 * The running container whose IPC namespace is to be joined.
 * @throws EngineError invalid when there is none of that name or it does not share, conflict when it does not run
 */
export function ipcDonor(ctx: Context, { record }: Container): Container | undefined {
  const name = joinedContainer(record.hostConfig.IpcMode);
  if (name === undefined) return undefined;
  const failed = (kind: "invalid" | "conflict", reason: string): EngineError =>
    new EngineError(kind, `failed to join IPC namespace: ${reason}`);
  let donor: Container;
  try {
    donor = ctx.store.find(name);
  } catch (error) {
    throw failed("invalid", (error as Error).message);
  }
  if (!isRunning(donor.state)) throw failed("conflict", notRunning(donor).message);
  if (sharedShm(ctx, donor) === undefined) {
    throw failed(
      "invalid",
      `container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  return donor;
}

/** The folder of the host that is the container's /dev/shm; undefined when it has one of its own, or none. */
export function sharedShm(ctx: Context, container: Container): string | undefined {
  const mode = container.record.hostConfig.IpcMode;
  if (mode === "host") return TARGET;
  if (isShareable(container)) return filesOf(ctx, container.id).shm;
  const name = joinedContainer(mode);
  const donor = name === undefined ? undefined : ctx.store.byId(name);
  return donor === undefined || donor === container ? undefined : sharedShm(ctx, donor);
}

/** Before a start: makes what it shares. What a crash left there goes first. */
export function makeShm(ctx: Context, container: Container): void {
  if (!isShareable(container)) return;
  const { shm } = filesOf(ctx, container.id);
  mkdirSync(shm, { recursive: true, mode: 0o700 });
  unmountAll(shm);
  mountTmpfs("shm", shm, container.record.hostConfig.ShmSize);
}

/** After the end of a container. Who shares it keeps it. */
export function dropShm(ctx: Pick<ContainerContext, "folder">, container: Container): void {
  if (isShareable(container)) unmountShm(ctx, container.id);
}

/** Of what is left of a container, perhaps. */
export function unmountShm(ctx: Pick<ContainerContext, "folder">, id: string): void {
  unmountAll(filesOf(ctx, id).shm);
}
