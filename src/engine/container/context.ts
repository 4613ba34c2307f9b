/** What every operation on containers works with. */
import { EngineError } from "../errors.ts";
import type { EventBus } from "../event/bus.ts";
import type { ContainerImages } from "../image/types.ts";
import type { Networks } from "../network/service.ts";
import type { Exit, ShimClient, Supervised } from "../shim/types.ts";
import type { SpareFolder } from "../store/spare-folder.ts";
import type { Volumes } from "../volume/volumes.ts";
import type { Ahead } from "./ahead.ts";
import type { Container } from "./container.ts";
import type { Host } from "./host.ts";
import type { ImageEtc } from "./rootfs.ts";
import { isRunning } from "./state.ts";
import type { ContainerStore } from "./store.ts";

/** What containers ask of the exec service: execs live and die with their container. */
export interface ContainerExecs {
  /** An exit that is not a container's. False when it is no exec's either. */
  ended(exit: Exit): boolean;
  /** To be asked before the shim is: the way to tell of what the shim knows then. */
  reconcile(): (supervised: ReadonlyMap<string, Supervised>) => void;
  /** The container ended: its execs are forgotten. */
  forget(container: Container): void;
}

/** What containers ask of the network service. */
export type ContainerNetworks = Pick<
  Networks,
  | "attach"
  | "changePorts"
  | "connect"
  | "disconnect"
  | "dropPrepared"
  | "find"
  | "leave"
  | "leavePorts"
  | "linkVariables"
  | "pin"
  | "planConnect"
  | "prepare"
  | "prepareFiles"
  | "renamed"
  | "requireOwnNamespace"
  | "settings"
  | "summary"
  | "unlinked"
  | "view"
>;

export interface ContainerContext {
  store: ContainerStore;
  images: ContainerImages;
  shim: ShimClient;
  events: EventBus;
  volumes: Volumes;
  execs: ContainerExecs;
  networks: ContainerNetworks;
  host: Host;
  dataRoot: string;
  /** For the folder of the next container. */
  spare: SpareFolder;
  /** What images say of users. */
  etc: ImageEtc;
  /** `containers/` under the data root. */
  folder: string;
  /** Names for --runtime, the default first. */
  runtimes: readonly string[];
  defaultLog: { Type: string; Config: Record<string, string> };
  /** The daemon's --init. */
  init: boolean;
  /** Seconds between the stop signal and SIGKILL when the container says nothing. */
  stopTimeout: number;
  ahead: Ahead;
  /** What goes on after the answer, and what the daemon waits for before it ends. */
  afterwards: Set<Promise<void>>;
  /** Tells the operator of what no client can be told. */
  warn: (message: string) => void;
  /** Tells a developer how long things took. */
  debug?: (message: string) => void;
}

export const notRunning = (container: Container): EngineError =>
  new EngineError("conflict", `container ${container.id} is not running`);

export function requireRunning(container: Container): void {
  if (!isRunning(container.state)) throw notRunning(container);
}

/** Goes on after the answer; `work` never rejects. */
export function later({ afterwards }: Pick<ContainerContext, "afterwards">, work: Promise<void>): void {
  const noted = work.finally(() => afterwards.delete(noted));
  afterwards.add(noted);
}

/** A container event, with what Docker says about the container in each. */
export function emit(
  { events }: Pick<ContainerContext, "events">,
  container: Container,
  action: string,
  attributes: Record<string, string> = {},
): void {
  const { Labels, Image } = container.record.config;
  const all: Record<string, string> = { ...attributes, ...Labels };
  if (Image !== "") all.image = Image;
  all.name = container.name.slice(1);
  events.emit({ Type: "container", Action: action, Actor: { ID: container.id, Attributes: all } });
}

/** The container's own folder under the data root, and what is in it. */
export function filesOf({ folder }: Pick<ContainerContext, "folder">, id: string) {
  const own = `${folder}/${id}`;
  return {
    folder: own,
    hostname: `${own}/hostname`,
    hosts: `${own}/hosts`,
    resolvConf: `${own}/resolv.conf`,
    /** A mount point; see `shm.ts`. */
    shm: `${own}/shm`,
    log: `${own}/${id}-json.log`,
  };
}
