/** Puts the engine together: database, shim, services; and brings what was there before back to life. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { spreadFolders } from "../../ffi/inode-flags.ts";
import { MAX_API_VERSION, MIN_API_VERSION } from "../api/version.ts";
import { createContainerServices } from "../container/compose.ts";
import { CONTAINER_SCHEMA } from "../container/schema.ts";
import type { Containers } from "../container/service.ts";
import { EventBus } from "../event/bus.ts";
import { EXEC_SCHEMA } from "../exec/schema.ts";
import { imageSchema } from "../image/schema.ts";
import { createImageService } from "../image/service.ts";
import type { ImageService } from "../image/types.ts";
import { NETWORK_SCHEMA } from "../network/schema.ts";
import type { Networks } from "../network/service.ts";
import type { Engine } from "../services.ts";
import { connectShim } from "../shim/client.ts";
import { openDatabase } from "../store/database.ts";
import type { DataPaths } from "../store/paths.ts";
import { System } from "../system/system.ts";
import { VOLUME_SCHEMA } from "../volume/schema.ts";
import { parseHost } from "./hosts.ts";
import type { Log } from "./log.ts";
import { networkConfig } from "./network-options.ts";
import { openNetworks } from "./networks.ts";
import { type DaemonConfig, RUNTIMES } from "./options.ts";

export interface OpenEngine {
  engine: Engine;
  /** SIGHUP: what depends on others is made anew. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Parts of it may change later, in place. */
  config: DaemonConfig;
  paths: DataPaths;
  log: Log;
}

export async function openEngine({ config, paths, log }: OpenOptions): Promise<OpenEngine> {
  const settings = networkConfig(config);
  for (const folder of [paths.content, paths.snapshots, paths.containers, paths.volumes, paths.spare]) {
    mkdirSync(folder, { recursive: true, mode: 0o710 });
  }
  for (const folder of [paths.snapshots, paths.containers, paths.spare]) spreadFolders(folder);
  const db = openDatabase(paths.database, [
    imageSchema,
    VOLUME_SCHEMA,
    NETWORK_SCHEMA,
    CONTAINER_SCHEMA,
    EXEC_SCHEMA,
  ]);
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
  const system = openSystem({
    config,
    paths,
    containers: () => containers!,
    images,
    events,
    networks: () => networks,
  });
  const networks = await openNetworks({
    config,
    settings,
    db,
    folder: paths.containers,
    engineId: system.id,
    shim,
    events,
    containers: () => services.members,
    warn: (message) => log.warn(message),
  });
  const services = createContainerServices({
    db,
    images,
    shim,
    events,
    networks,
    ipForward: config["ip-forward"],
    paths,
    warn: (message) => log.warn(message),
    debug: (message) => log.debug(message),
    runtimes: [config["default-runtime"], ...RUNTIMES.filter((name) => name !== config["default-runtime"])],
    defaultLog: { Type: config["log-driver"], Config: config["log-opts"] },
    init: config.init,
    stopTimeout: config["default-stop-timeout"],
  });
  containers = services.containers;
  await containers.restore();
  await networks.restore(system.id);
  for (const warning of networks.warnings()) log.warn(warning);
  await images.sweep(containers.users().map(({ id }) => id));
  return {
    engine: { ...services, containers, images, events, networks, system },
    reload: () => networks.syncFirewall(),
    close: async () => {
      await services.containers.settle();
      await networks.close();
      shim.close();
      db.close();
    },
  };
}

interface SystemParts {
  config: DaemonConfig;
  paths: DataPaths;
  containers: () => Containers;
  networks: () => Networks;
  images: ImageService;
  events: EventBus;
}

function openSystem({ config, paths, containers, networks, images, events }: SystemParts): System {
  return new System({
    api: { min: MIN_API_VERSION, max: MAX_API_VERSION },
    idFile: join(paths.root, "engine-id"),
    containers: () => containers().count(),
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
      firewall: networks().firewallInfo(),
      userlandProxy: config["userland-proxy"],
      addressPools: config["default-address-pools"],
      networkWarnings: networks().warnings(),
      plainTcp: config.tls ? [] : tcpHosts(config),
    }),
  });
}

const tcpHosts = (config: DaemonConfig): string[] =>
  config.hosts
    .map((host) => parseHost(host, config.tls))
    .filter(({ kind }) => kind === "tcp")
    .map(({ text }) => text);
