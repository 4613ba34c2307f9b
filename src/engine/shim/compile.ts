/**
 * Where the shim gets its plans: the runtime's compilers, called with what the shim knows. A seam, so that the shim is
 * tested with plans written by hand.
 */
import type { Plan } from "../runtime/plan.ts";
import type { Spec } from "../runtime/spec.ts";
import type { EncodedPlan, StageOptions } from "../runtime/stage.ts";
import type { ReceivedLaunch } from "./protocol.ts";
import type { LaunchRecord } from "./records.ts";
import type { ExecLaunchRequest } from "./types.ts";

export interface KeeperPaths {
  socket: string;
  exitRecord: string;
}

export interface Compiled {
  plan: Plan | EncodedPlan;
  options?: StageOptions;
  /** Folders of the container's cgroups; empty when only the kernel knows. */
  cgroups: string[];
  /** A container with a pid namespace of its own. */
  ownPids?: boolean;
  /** After the launch, whether it succeeded or not: closes what the plan was given. */
  dispose?(): void;
}

export interface RunningContainer {
  record: LaunchRecord;
  /** Of its first process; stays the supervisor's. -1: only its number is known, since its keeper does not answer. */
  pidfd: number;
  /** Its specification, as far as an exec needs it. */
  spec(): Spec;
}

export interface ContainerCompileOptions {
  /** Of a running container's first process, by its number; stays the supervisor's. -1 when there is none. */
  pidfdOf(pid: number): number;
  /** The command waits for its start. */
  held: boolean;
}

export interface Compilers {
  container(request: ReceivedLaunch, paths: KeeperPaths, options: ContainerCompileOptions): Compiled;
  exec(request: ExecLaunchRequest, container: RunningContainer, paths: KeeperPaths): Compiled;
}
