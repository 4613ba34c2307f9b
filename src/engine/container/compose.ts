/** Puts containers, execs and volumes together. */
import type { Database } from "bun:sqlite";
import type { EventBus } from "../event/bus.ts";
import { Execs } from "../exec/service.ts";
import type { ContainerImages } from "../image/types.ts";
import type { ShimClient } from "../shim/types.ts";
import type { DataPaths } from "../store/paths.ts";
import { SpareFolder } from "../store/spare-folder.ts";
import { Volumes } from "../volume/volumes.ts";
import type { ContainerContext, ContainerNetworks } from "./context.ts";
import { probeHost } from "./host.ts";
import { makeContainerFolder } from "./launch-request.ts";
import { ImageEtc } from "./rootfs.ts";
import { Containers } from "./service.ts";
import { ContainerStore } from "./store.ts";

export interface ContainerServiceOptions {
  db: Database;
  images: ContainerImages;
  shim: ShimClient;
  events: EventBus;
  /** Knows the containers by the way of `members`. */
  networks: ContainerNetworks;
  /** The daemon switches the host's forwarding on when it is needed. */
  ipForward: boolean;
  paths: DataPaths;
  warn: (message: string) => void;
  /** How long things took. */
  debug?: (message: string) => void;
  /** Names for --runtime, the default first. */
  runtimes?: readonly string[];
  defaultLog?: { Type: string; Config: Record<string, string> };
  init?: boolean;
  /** Seconds. */
  stopTimeout?: number;
}

export function createContainerServices(options: ContainerServiceOptions): {
  containers: Containers;
  execs: Execs;
  volumes: Volumes;
  /** All containers, as networks see them. */
  members: ContainerStore;
} {
  const { db, images, shim, events, networks, paths, warn } = options;
  const volumes = new Volumes({ db, folder: paths.volumes, events });
  const store = new ContainerStore(db);
  const execs = new Execs({ db, store, shim, images, events, networks, host: probeHost() });
  const ctx: ContainerContext = {
    store,
    images,
    shim,
    events,
    volumes,
    execs,
    networks,
    host: options.ipForward ? { ...execs.host, ipv4Forwarding: true } : execs.host,
    dataRoot: paths.root,
    spare: new SpareFolder(`${paths.spare}/container`, makeContainerFolder),
    etc: new ImageEtc(),
    folder: paths.containers,
    runtimes: options.runtimes ?? ["runc", "io.containerd.runc.v2"],
    defaultLog: options.defaultLog ?? { Type: "json-file", Config: {} },
    init: options.init ?? false,
    stopTimeout: options.stopTimeout ?? 10,
    ahead: { starting: 0, closed: false },
    afterwards: new Set(),
    warn,
    ...(options.debug && { debug: options.debug }),
  };
  return { containers: new Containers(ctx), execs, volumes, members: store };
}
