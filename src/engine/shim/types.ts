/**
 * What the daemon asks of the shim and what the shim tells it. Plain JSON-able data: this crosses a unix socket
 * between two builds of tsd that may differ, so fields are only ever added.
 */
import type { ShimNetworks } from "../network/types.ts";
import type { Spec } from "../runtime/spec.ts";
import type { Took } from "../stopwatch.ts";

/** Where the container's root file system comes from; mounted by the plan inside the new mount namespace. */
export type Rootfs =
  | { kind: "path"; path: string }
  | {
      kind: "overlay" /** top layer first */;
      lower: string[];
      upper: string;
      work: string;
      options?: string[];
    };

/** The container's standard streams, all made by the stage and held by the keeper. */
export type ContainerIo =
  | {
      kind: "pipes";
      stdin: boolean /** close stdin when the first attached client closes its side */;
      stdinOnce: boolean;
    }
  | { kind: "pty"; stdin: boolean; stdinOnce: boolean; cols: number; rows: number };

export type LogTarget =
  | { driver: "none" }
  | {
      driver: "json-file";
      path: string /** Docker's log-opts */;
      options: Record<string, string> /** in every line: labels, variables, a tag */;
      attributes?: Record<string, string>;
    };

export interface LaunchRequest {
  /** 64 hex digits, the container's id. */
  id: string;
  spec: Spec;
  rootfs: Rootfs;
  io: ContainerIo;
  log: LogTarget;
  /** All that is mounted in it is ours: who hears of its end does not wait for its mounts to be gone. */
  ownMounts?: boolean;
  /** Run a reaping pid 1 (`ts-init` in the stage) above the process. */
  init: boolean;
  /** Where on 127.0.0.11 its names are asked for, in the network namespace that the specification joins by its path. */
  names?: { udp: number; tcp: number };
}

/** `attempt`: a word of the daemon's for this launch. */
export type PrepareRequest = LaunchRequest & { attempt: string };

export interface ExecLaunchRequest {
  /** 64 hex digits, the exec's id; lives in the same name space as containers for attach, resize, signal. */
  id: string;
  container: string;
  process: NonNullable<Spec["process"]>;
  io: ContainerIo;
}

export interface Launched {
  /** In the host's pid namespace. */
  pid: number;
  /** Nanoseconds since the epoch, as a decimal string. */
  startedAt: string;
  /** The shim's share of the start: not known of one that was found running. */
  took?: Took;
}

export interface Exit {
  id: string;
  /** 0–255; 128+n when a signal ended it. */
  status: number;
  /** Nanoseconds since the epoch, as a decimal string. */
  time: string;
  oomKilled: boolean;
  /** Set when it did not end by itself: a lost keeper, say. A sentence for `State.Error`. */
  reason?: string;
}

/** What a shim knows of one process (container or exec) that it supervises. */
export interface Supervised {
  id: string;
  container: string;
  pid: number;
  startedAt: string;
  paused: boolean;
  exit?: Exit;
}

export interface AttachOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/**
 * The daemon's side of the shim. Every call rejects with an `EngineError`; a start that failed carries the
 * sentence of the step that failed, ready for Docker's `failed to create task for container: …` prefix, and
 * `code` 126 or 127 where runc's wording would lead the docker client to that status.
 */
export interface ShimClient extends ShimNetworks {
  launch(request: LaunchRequest): Promise<Launched>;
  /**
   * Makes all of a launch but the execution of the command, for `launchPrepared`; of a container that neither runs nor
   * has an end that is not released. It lasts until it is dropped, or the shim or its connection is gone.
   */
  prepare(request: PrepareRequest): Promise<void>;
  /** Rejects with `notFound` when nothing is prepared: the command has not been executed then. */
  launchPrepared(prepared: { id: string; attempt: string }): Promise<Launched>;
  /** Resolves when nothing of what was prepared is left. */
  drop(id: string): Promise<void>;
  exec(request: ExecLaunchRequest): Promise<Launched>;
  /**
   * A raw byte stream: client → stdin; for pipes, stdout and stderr come in Docker's 8-byte-header frames
   * (application/vnd.docker.multiplexed-stream), for a pty as raw bytes. Half-close of the client's side is
   * end of stdin. It goes on when the shim is succeeded by another; where it cannot, it emits `cut` before its end.
   * May be called before `launch` of the id: output from the first byte on is then delivered.
   */
  attach(id: string, options: AttachOptions, io: "pipes" | "pty"): Promise<import("node:stream").Duplex>;
  signal(id: string, signal: number, all?: boolean): Promise<void>;
  resize(id: string, cols: number, rows: number): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  list(): Promise<Supervised[]>;
  /** The daemon has stored the exit: the shim may remove its record and forget the id. */
  release(id: string): Promise<void>;
  /** Events since the connection; after a reconnect, `list()` tells what was missed. */
  onExit(listener: (exit: Exit) => void): void;
  onOom(listener: (event: { id: string; time: string }) => void): void;
  /** The shim was (re)connected; also after the client restarted a dead one. */
  onConnect(listener: () => void): void;
  close(): void;
}
