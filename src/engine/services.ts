/**
 * What a transport asks of the engine: one interface for each noun's service. Services know nothing of HTTP: they
 * take decoded values, throw `EngineError`, and give streams as byte iterables or sockets.
 *
 * `name` is always what the user typed: a name with or without its slash, an id, or the start of an id.
 */
import type { Duplex } from "node:stream";
import type { CreateBody, EndpointConfig } from "./container/config.ts";
import type { EventBus } from "./event/bus.ts";
import type { Filters } from "./filters.ts";
import type { ImageService } from "./image/types.ts";
import type { CreateNetworkRequest } from "./network/create.ts";

export interface Engine {
  containers: ContainerService;
  execs: ExecService;
  images: ImageService;
  volumes: VolumeService;
  networks: NetworkService;
  events: EventBus;
  system: SystemService;
}

/** Bytes as they come; ending the iteration early releases what is behind it. */
export type ByteStream = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

export interface ContainerService {
  /** `name` is undefined when the daemon shall make one up. */
  create(request: {
    name?: string;
    platform?: string;
    body: CreateBody;
  }): Promise<{ Id: string; Warnings: string[] }>;
  /** Newest first. `limit` 0 or less: all. Asked for by filters, size, limit: see `docker ps`. */
  list(options: {
    all: boolean;
    size: boolean;
    limit: number;
    filters: Filters;
  }): Promise<ContainerSummary[]>;
  inspect(name: string, options: { size: boolean }): Promise<ContainerInspect>;
  /** @throws EngineError notModified when it runs already. */
  start(name: string): Promise<void>;
  /** `timeout` in seconds, negative: wait for ever. @throws EngineError notModified when it is not running. */
  stop(name: string, options: { signal?: string; timeout?: number }): Promise<void>;
  restart(name: string, options: { signal?: string; timeout?: number }): Promise<void>;
  /** `signal` as typed: `""`, `9`, `KILL`, `SIGKILL`. Errors come with Docker's prefix `cannot kill container: NAME: …` from the route. */
  kill(name: string, signal: string): Promise<void>;
  pause(name: string): Promise<void>;
  unpause(name: string): Promise<void>;
  rename(name: string, to: string): Promise<void>;
  remove(name: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  resize(name: string, size: { cols: number; rows: number }): Promise<void>;
  /** Throws at once when there is no such container; the promise inside is settled when the condition holds. */
  wait(name: string, condition: WaitCondition, signal: AbortSignal): Promise<{ result: Promise<WaitResult> }>;
  /** Rejects before anything is sent; `content` is in Docker's 8-byte-header frames unless `tty`. Times in nanoseconds; `tail` -1: all. */
  logs(name: string, options: LogOptions): Promise<{ tty: boolean; content: ByteStream }>;
  /** The shim's stream of the container, running or about to be started. */
  attach(name: string, options: AttachRequest): Promise<Attachment>;
  /** Samples of what it uses; see `StatsOptions`. Throws at once when there is no such container. */
  stats(name: string, options: StatsOptions): AsyncIterable<ContainerStats>;
  /** Gives it other limits. `limits` are those of a host configuration; zero, empty and absent ones stay as they are. */
  update(name: string, limits: NonNullable<CreateBody["HostConfig"]>): Promise<{ Warnings: string[] | null }>;
  /** What a container has mounted may take for ever: `signal` ends this and the following. */
  top(
    name: string,
    psArgs: string[],
    signal?: AbortSignal,
  ): Promise<{ Titles: string[]; Processes: string[][] }>;
  changes(name: string, signal?: AbortSignal): Promise<{ Path: string; Kind: 0 | 1 | 2 }[] | null>;
  export(name: string, signal?: AbortSignal): Promise<ByteStream>;
  statPath(name: string, path: string, signal?: AbortSignal): Promise<PathStat>;
  archive(name: string, path: string, signal?: AbortSignal): Promise<{ stat: PathStat; content: ByteStream }>;
  /** Unpacks a tar archive (plain, gzip, …) into a folder of the container. */
  extract(
    name: string,
    path: string,
    body: ReadableStream<Uint8Array>,
    options: { noOverwriteDirNonDir: boolean; copyUidGid: boolean; signal?: AbortSignal },
  ): Promise<void>;
  /** One more network, at once if it runs. `network` need not be there (yet) for one that does not. */
  connectNetwork(name: string, network: string, settings: EndpointConfig | null | undefined): Promise<void>;
  disconnectNetwork(name: string, network: string, force: boolean): Promise<void>;
  prune(filters: Filters): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>;
  count(): { running: number; paused: number; stopped: number };
  /** At start-up: takes back what the shim kept, marks what is gone, resumes removals. */
  restore(): Promise<void>;
  /** For `--live-restore=false`: stops all that run, each with its own stop signal and timeout. */
  shutdown(): Promise<void>;
}

/** The fields that routes adapt between API versions; the rest goes out as it is. */
export interface ContainerSummary {
  Id: string;
  SizeRw?: number;
  State: string;
  HostConfig: { NetworkMode?: string; Annotations?: Record<string, string> };
  ImageManifestDescriptor?: object;
  Health?: object;
}

export interface ContainerInspect {
  Id: string;
  Storage?: { RootFS?: { Snapshot?: { Name: string } } };
  GraphDriver?: object;
  ImageManifestDescriptor?: object;
  Config: { Hostname: string };
  NetworkSettings: NetworkSettings;
}

export interface NetworkSettings {
  Networks: Record<string, Record<string, unknown> & { Aliases?: string[] | null }>;
}

export type WaitCondition = "not-running" | "next-exit" | "removed";

export interface WaitResult {
  StatusCode: number;
  Error?: { Message: string };
}

export interface LogOptions {
  stdout: boolean;
  stderr: boolean;
  /** Nanoseconds since the epoch. */
  since?: bigint;
  until?: bigint;
  /** Lines from the end; -1: all. */
  tail: number;
  follow: boolean;
  timestamps: boolean;
  details: boolean;
  /** Aborted when the client goes away. */
  signal: AbortSignal;
}

export interface StatsOptions {
  /** One a second until the client goes or the container is removed. False: one, after a second. */
  stream: boolean;
  /** With `stream` false: at once, without an earlier sample to compare with. */
  oneShot: boolean;
  signal: AbortSignal;
}

/** Nanoseconds. */
export interface CpuStats {
  cpu_usage: {
    total_usage: number;
    percpu_usage?: number[];
    usage_in_kernelmode: number;
    usage_in_usermode: number;
  };
  system_cpu_usage?: number;
  online_cpus?: number;
  throttling_data: { periods: number; throttled_periods: number; throttled_time: number };
}

export interface ContainerStats {
  id: string;
  name: string;
  os_type: "linux";
  /** RFC 3339, as `preread`; year 1 when there is no sample. */
  read: string;
  cpu_stats: CpuStats;
  num_procs: 0;
  storage_stats: object;
  preread: string;
  precpu_stats: CpuStats;
}

export interface AttachRequest {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Send what was logged before first. */
  logs: boolean;
  /** False: only the logs. */
  stream: boolean;
  signal: AbortSignal;
}

export interface Attachment {
  /** Raw bytes when true, Docker's 8-byte-header frames when not. */
  tty: boolean;
  /** To be sent before the socket's bytes. */
  past?: ByteStream;
  /** Absent when only past output was asked for. Half-close is the end of stdin; destroyed by the route at the end. */
  socket?: Duplex;
  /** The client typed its detach keys: tells the world. */
  detached(): void;
}

/** What `X-Docker-Container-Path-Stat` carries. */
export interface PathStat {
  name: string;
  size: number;
  /** Go's `os.FileMode` bits. */
  mode: number;
  /** RFC 3339 with nanoseconds. */
  mtime: string;
  linkTarget: string;
}

export interface ExecCreateBody {
  User?: string | null;
  Privileged?: boolean | null;
  Tty?: boolean | null;
  ConsoleSize?: [height: number, width: number] | null;
  AttachStdin?: boolean | null;
  AttachStderr?: boolean | null;
  AttachStdout?: boolean | null;
  DetachKeys?: string | null;
  Env?: string[] | null;
  WorkingDir?: string | null;
  Cmd?: string[] | null;
}

export interface ExecInspect {
  ID: string;
  Running: boolean;
  ExitCode: number | null;
  ProcessConfig: {
    tty: boolean;
    entrypoint: string;
    arguments: string[];
    privileged: boolean;
    user?: string;
  };
  OpenStdin: boolean;
  OpenStderr: boolean;
  OpenStdout: boolean;
  CanRemove: boolean;
  ContainerID: string;
  DetachKeys: string;
  Pid: number;
}

export interface ExecService {
  create(container: string, body: ExecCreateBody): Promise<{ Id: string }>;
  /** Throws when the exec cannot be started: unknown, its container is gone, stopped or paused. */
  check(id: string): void;
  /** Resolves when the process runs. Not detached: with its streams (`logs` and `past` have no meaning here). */
  start(id: string, options: { detach: true }): Promise<void>;
  start(
    id: string,
    options: { detach: false; consoleSize?: { cols: number; rows: number } },
  ): Promise<Attachment & { socket: Duplex; detachKeys: string }>;
  resize(id: string, size: { cols: number; rows: number }): Promise<void>;
  inspect(id: string): Promise<ExecInspect>;
}

export interface Volume {
  CreatedAt?: string;
  Driver: string;
  Labels: Record<string, string> | null;
  Mountpoint: string;
  Name: string;
  Options: Record<string, string> | null;
  Scope: "local";
  UsageData?: { Size: number; RefCount: number };
}

export interface VolumeService {
  list(filters: Filters): Volume[];
  inspect(name: string): Volume;
  remove(name: string, options: { force: boolean }): Promise<void>;
  prune(filters: Filters): Promise<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }>;
  /** With `UsageData`. */
  diskUsage(): Promise<Volume[]>;
}

export interface NetworkService {
  create(request: CreateNetworkRequest): Promise<{ Id: string }>;
  list(filters: Filters): object[];
  /** By name, id or the start of an id; `scope` empty or the one it has. @throws EngineError notFound `network NAME not found` */
  inspect(name: string, scope?: string): object;
  remove(name: string): Promise<void>;
  prune(filters: Filters): Promise<{ NetworksDeleted: string[] | null }>;
}

export interface SystemService {
  /** True when the host has the unified cgroup hierarchy alone. */
  readonly cgroupV2: boolean;
  version(): object;
  info(): Promise<object>;
}
