/** Puts the engine together: database, shim, services; and brings what was there before back to life. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { MAX_API_VERSION, MIN_API_VERSION } from "../api/version.ts";
import { createContainerServices } from "../container/compose.ts";
import { CONTAINER_SCHEMA } from "../container/schema.ts";
import type { Containers } from "../container/service.ts";
import { EventBus } from "../event/bus.ts";
import { EXEC_SCHEMA } from "../exec/schema.ts";
import { imageSchema } from "../image/schema.ts";
import { createImageService } from "../image/service.ts";
import type { ImageService } from "../image/types.ts";
import type { Engine } from "../services.ts";
import { connectShim } from "../shim/client.ts";
import { openDatabase } from "../store/database.ts";
import type { DataPaths } from "../store/paths.ts";
import { createNetworks } from "../system/networks.ts";
import { System } from "../system/system.ts";
import { VOLUME_SCHEMA } from "../volume/schema.ts";
import { parseHost } from "./hosts.ts";
import type { Log } from "./log.ts";
import { type DaemonConfig, RUNTIMES } from "./options.ts";

export interface OpenEngine {
  engine: Engine;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Parts of it may change later, in place. */
  config: DaemonConfig;
  paths: DataPaths;
  log: Log;
}

export async function openEngine({ config, paths, log }: OpenOptions): Promise<OpenEngine> {
  for (const folder of [paths.content, paths.snapshots, paths.containers, paths.volumes]) {
    mkdirSync(folder, { recursive: true, mode: 0o710 });
  }
  const db = openDatabase(paths.database, [imageSchema, VOLUME_SCHEMA, CONTAINER_SCHEMA, EXEC_SCHEMA]);
  const shim = await connectShim({ execRoot: config["exec-root"], onWarn: (message) => log.warn(message) });
  const events = new EventBus();
  let containers: Containers | undefined;
  const images = createImageService({
    db,
    dataRoot: paths.root,
    insecureRegistries: config["insecure-registries"],
    mirrors: config["registry-mirrors"],
    emit: (event) => events.emit(event),
    users: () => containers?.users() ?? [],
  });
  const services = createContainerServices({
    db,
    images,
    shim,
    events,
    paths,
    warn: (message) => log.warn(message),
    debug: (message) => log.debug(message),
    runtimes: [config["default-runtime"], ...RUNTIMES.filter((name) => name !== config["default-runtime"])],
    defaultLog: { Type: config["log-driver"], Config: config["log-opts"] },
    init: config.init,
    stopTimeout: config["default-stop-timeout"],
  });
  containers = services.containers;
  const system = openSystem({ config, paths, containers, images, events });
  const networks = createNetworks(system.id, new Date());
  await containers.restore();
  await images.sweep(containers.users().map(({ id }) => id));
  return {
    engine: { ...services, containers, images, events, networks, system },
    close: async () => {
      await services.containers.settle();
      shim.close();
      db.close();
    },
  };
}

interface SystemParts {
  config: DaemonConfig;
  paths: DataPaths;
  containers: Containers;
  images: ImageService;
  events: EventBus;
}

function openSystem({ config, paths, containers, images, events }: SystemParts): System {
  return new System({
    api: { min: MIN_API_VERSION, max: MAX_API_VERSION },
    idFile: join(paths.root, "engine-id"),
    containers: () => containers.count(),
    images: () => images.count(),
    listeners: () => events.listeners,
    config: () => ({
      dataRoot: paths.root,
      debug: config.debug,
      labels: config.labels,
      liveRestore: config["live-restore"],
      logDriver: config["log-driver"],
      runtimes: RUNTIMES,
      defaultRuntime: config["default-runtime"],
      insecureRegistries: config["insecure-registries"],
      mirrors: config["registry-mirrors"],
      plainTcp: config.tls ? [] : tcpHosts(config),
    }),
  });
}

const tcpHosts = (config: DaemonConfig): string[] =>
  config.hosts
    .map((host) => parseHost(host, config.tls))
    .filter(({ kind }) => kind === "tcp")
    .map(({ text }) => text);
