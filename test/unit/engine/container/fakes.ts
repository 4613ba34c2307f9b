/** An engine of one noun: real rows in memory, a shim and images that only remember what was asked. */
import type { Database } from "bun:sqlite";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CreateBody } from "../../../../src/engine/container/config.ts";
import { type ContainerContext, filesOf } from "../../../../src/engine/container/context.ts";
import type { Host } from "../../../../src/engine/container/host.ts";
import { makeContainerFolder } from "../../../../src/engine/container/launch-request.ts";
import { ImageEtc } from "../../../../src/engine/container/rootfs.ts";
import { CONTAINER_SCHEMA } from "../../../../src/engine/container/schema.ts";
import { Containers } from "../../../../src/engine/container/service.ts";
import { ContainerStore } from "../../../../src/engine/container/store.ts";
import { networkConfig, networkDefaults } from "../../../../src/engine/daemon/network-options.ts";
import { EngineError } from "../../../../src/engine/errors.ts";
import { EventBus } from "../../../../src/engine/event/bus.ts";
import { EXEC_SCHEMA } from "../../../../src/engine/exec/schema.ts";
import { Execs } from "../../../../src/engine/exec/service.ts";
import type { ContainerImages, ImageRunConfig, ResolvedImage } from "../../../../src/engine/image/types.ts";
import type { Members } from "../../../../src/engine/network/context.ts";
import { Ipam } from "../../../../src/engine/network/ipam/ipam.ts";
import { defaultPools } from "../../../../src/engine/network/ipam/pools.ts";
import { PrefixIndex } from "../../../../src/engine/network/ipam/prefix-index.ts";
import { NETWORK_SCHEMA } from "../../../../src/engine/network/schema.ts";
import { Networks } from "../../../../src/engine/network/service.ts";
import { NetworkStore } from "../../../../src/engine/network/store.ts";
import { defaultSeccomp } from "../../../../src/engine/runtime/seccomp-default.ts";
import type {
  ExecLaunchRequest,
  Exit,
  Launched,
  LaunchRequest,
  ShimClient,
  Supervised,
} from "../../../../src/engine/shim/types.ts";
import { openDatabase } from "../../../../src/engine/store/database.ts";
import { dataPaths } from "../../../../src/engine/store/paths.ts";
import { SpareFolder } from "../../../../src/engine/store/spare-folder.ts";
import { VOLUME_SCHEMA } from "../../../../src/engine/volume/schema.ts";
import { Volumes } from "../../../../src/engine/volume/volumes.ts";

export const HOST: Host = {
  cpus: 2,
  cpusetCpus: "0-1",
  cpusetMems: "0",
  cgroup: "v1",
  limitsBlockIo: (file) => file.startsWith("throttle."),
  hostname: () => "machine",
  capabilities: ["CAP_CHOWN", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_TIME", "CAP_KILL", "CAP_MKNOD"],
  ipv4Forwarding: true,
  architecture: "amd64",
  maskedPaths: ["/proc/acpi"],
  apparmor: false,
  selinux: false,
  bootId: "boot",
  timeNamespaces: true,
  networkSysctls: { "net.ipv4.ping_group_range": "0 2147483647", "net.ipv4.ip_unprivileged_port_start": "0" },
  seccomp: (capabilities) => defaultSeccomp(capabilities),
  openFiles: 4096,
};

export class FakeShim implements ShimClient {
  readonly launches: LaunchRequest[] = [];
  readonly execs: ExecLaunchRequest[] = [];
  readonly signals: [id: string, signal: number][] = [];
  readonly released: string[] = [];
  readonly supervised = new Map<string, Supervised>();
  /** Thrown by the next launch or exec. */
  failure: Error | undefined;
  #exit: (exit: Exit) => void = () => {};
  #oom: (event: { id: string; time: string }) => void = () => {};
  #pid = 1000;

  async launch(request: LaunchRequest): Promise<Launched> {
    if (this.failure) throw this.failure;
    this.launches.push(request);
    return this.#begin(request.id, request.id);
  }

  async exec(request: ExecLaunchRequest): Promise<Launched> {
    if (this.failure) throw this.failure;
    this.execs.push(request);
    // Of a process that lives: whether it does is looked up.
    return this.#begin(request.id, request.container, process.pid);
  }

  async prepare(): Promise<void> {}
  async launchPrepared(): Promise<Launched> {
    throw new EngineError("notFound", "nothing is prepared");
  }
  async drop(): Promise<void> {}

  #begin(id: string, container: string, pid = ++this.#pid): Launched {
    const launched = { pid, startedAt: String(BigInt(Date.now()) * 1_000_000n) };
    this.supervised.set(id, { id, container, ...launched, paused: false });
    return launched;
  }

  /** Ends a process, as the real shim would tell. */
  end(id: string, status: number, more: Partial<Exit> = {}): void {
    const time = String(BigInt(Date.now() + 1) * 1_000_000n);
    const exit: Exit = { id, status, time, oomKilled: false, ...more };
    const entry = this.supervised.get(id);
    if (entry) entry.exit = exit;
    this.#exit(exit);
  }

  oom(id: string): void {
    this.#oom({ id, time: "0" });
  }

  async attach(): Promise<Socket> {
    return new Socket();
  }
  async signal(id: string, signal: number): Promise<void> {
    this.signals.push([id, signal]);
    if (signal === 9) this.end(id, 137);
  }
  async resize(): Promise<void> {}
  async pause(): Promise<void> {}
  async unpause(): Promise<void> {}
  async list(): Promise<Supervised[]> {
    return [...this.supervised.values()];
  }
  async release(id: string): Promise<void> {
    this.released.push(id);
    this.supervised.delete(id);
  }
  async putNames(): Promise<void> {}
  async removeNames(): Promise<void> {}
  async syncNames(): Promise<void> {}
  async holdPorts(): Promise<void> {}
  async heldPorts(): Promise<string[]> {
    return [];
  }
  onExit(listener: (exit: Exit) => void): void {
    this.#exit = listener;
  }
  onOom(listener: (event: { id: string; time: string }) => void): void {
    this.#oom = listener;
  }
  onConnect(): void {}
  close(): void {}
}

/** Real rows and decisions; of links and rules is only remembered that they were asked for. */
export function fakeNetworks(parts: {
  db: Database;
  events: EventBus;
  shim: FakeShim;
  containers: () => Members;
  folder: string;
}): Networks {
  const nothing = async (): Promise<void> => {};
  const { db, events, shim, containers, folder } = parts;
  return new Networks({
    store: new NetworkStore(db),
    ipam: new Ipam(defaultPools("engine"), () => new PrefixIndex()),
    wiring: {
      createNetwork: nothing,
      removeNetwork: nothing,
      createSandbox: nothing,
      removeSandbox: nothing,
      sandboxes: () => [],
      attach: nothing,
      detach: nothing,
      setDefaultRoutes: nothing,
      hostPrefixes: () => new PrefixIndex(),
      ownerOf: () => undefined,
      kindOf: () => undefined,
      addressesOf: () => [],
      links: () => [],
      removeLink: nothing,
    },
    firewall: {
      backend: "none",
      putNetwork: nothing,
      removeNetwork: nothing,
      putEndpoint: nothing,
      removeEndpoint: nothing,
      sync: nothing,
      warnings: () => [],
      close: nothing,
    },
    ports: {
      publish: async (_, requests) =>
        requests.map(({ protocol, containerPort, hostIp, hostPortStart }) => ({
          protocol,
          containerPort,
          hostIp: hostIp || "0.0.0.0",
          hostPort: hostPortStart || 32768,
        })),
      claim: async () => {},
      release: nothing,
    },
    names: shim,
    events,
    config: networkConfig(networkDefaults()),
    execRoot: folder,
    made: new Map(),
    removing: new Set(),
    leaving: new Map(),
    linkers: new Set(),
    prepared: new Map(),
    containers,
    files: (id) => filesOf({ folder: join(folder, "containers") }, id),
    warn: () => {},
  });
}

class FakeImages implements ContainerImages {
  readonly #folder: string;
  config: ImageRunConfig = { Cmd: ["sh"], Env: ["PATH=/bin"], Labels: { from: "image" } };
  readonly discarded: string[] = [];
  /** How long the disk takes. */
  discarding: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  resolve(reference: string): ResolvedImage {
    if (reference !== "busybox") throw new EngineError("notFound", `No such image: ${reference}:latest`);
    const manifest = { mediaType: "m", digest: `sha256:${"b".repeat(64)}`, size: 1 };
    const id = `sha256:${"a".repeat(64)}`;
    return { id, manifest, reference, architecture: "amd64", os: "linux", config: this.config, diffIds: [] };
  }
  prepare() {
    return this.rootfs();
  }
  claim() {}
  rootfs() {
    return { kind: "path" as const, path: this.#folder };
  }
  clear() {
    return this.rootfs();
  }
  async discard(id: string): Promise<void> {
    this.discarded.push(id);
    await this.discarding;
  }
  async usage() {
    return { rw: 10, rootfs: 100 };
  }
}

export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), "tsd-container-"));
  readonly shim = new FakeShim();
  readonly images = new FakeImages(join(this.folder, "rootfs"));
  readonly events = new EventBus();
  readonly seen: string[] = [];
  readonly warnings: string[] = [];
  readonly ctx: ContainerContext;
  readonly containers: Containers;
  readonly execs: Execs;
  readonly networks: Networks;

  constructor(previous?: Rig) {
    const paths = dataPaths(previous?.folder ?? this.folder);
    const db = openDatabase(paths.database, [CONTAINER_SCHEMA, EXEC_SCHEMA, VOLUME_SCHEMA, NETWORK_SCHEMA]);
    if (previous) for (const [id, entry] of previous.shim.supervised) this.shim.supervised.set(id, entry);
    const { events, shim, images } = this;
    const store = new ContainerStore(db);
    const volumes = new Volumes({ db, folder: paths.volumes, events });
    const folder = previous?.folder ?? this.folder;
    this.networks = fakeNetworks({ db, events, shim, containers: () => store, folder });
    this.networks.ensurePredefined("engine");
    this.execs = new Execs({ db, store, shim, images, events, networks: this.networks, host: HOST });
    this.ctx = {
      store,
      images,
      shim,
      events,
      volumes,
      execs: this.execs,
      networks: this.networks,
      host: HOST,
      dataRoot: paths.root,
      spare: new SpareFolder(`${paths.spare}/container`, makeContainerFolder),
      etc: new ImageEtc(),
      folder: paths.containers,
      runtimes: ["runc"],
      defaultLog: { Type: "json-file", Config: {} },
      init: false,
      stopTimeout: 10,
      ahead: { starting: 0, closed: true },
      afterwards: new Set(),
      warn: (message) => this.warnings.push(message),
    };
    this.containers = new Containers(this.ctx);
    events.subscribe(({ Action }) => this.seen.push(Action));
  }

  async create(body: CreateBody = {}, name?: string): Promise<string> {
    return (await this.containers.create({ name, body: { Image: "busybox", ...body } })).Id;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The kind and message that a rejection carries. */
export async function refusal(promise: Promise<unknown>): Promise<[kind: string, message: string]> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof EngineError) return [error.kind, error.message];
    throw error;
  }
  throw new Error("nothing was refused");
}
