/**
 * What a plan is made of: values, the places that they are kept in, and the steps. What each step does is told here;
 * how it is done, in src/ffi/stage/.
 */
import type { SyscallName } from "../../ffi/syscalls.ts";

/** A number with the name it has in the headers, for `explain`. */
export interface Named {
  readonly kind: "named";
  readonly value: number | bigint;
  readonly show: string;
}

/** A place in the data area; as an argument or a struct's field it is its address. */
export interface Data {
  readonly kind: "data";
  readonly offset: number;
  readonly size: number;
  readonly show: string;
  /** The address that it will have in the stage. */
  readonly value: number;
}

/** A saved result, known only when the plan runs. Every process of the plan has its own copy. */
export interface Slot {
  readonly kind: "slot";
  /** Its index. */
  readonly value: number;
  readonly name: string;
}

/** Where a JUMP or a CLONE goes on. `place()` it exactly once. */
export interface Label {
  readonly kind: "label";
  readonly name: string;
  /** Index of the step it stands before; -1 until placed. */
  at: number;
}

export type Value = number | bigint | Named | Data | Slot;

/** Errnos (positive numbers) after which the plan goes on, with `-errno` in the slot. */
export type Tolerate = readonly number[] | "all";

export type Condition = "negative" | "not negative" | "zero" | "not zero" | { equals: number };

/** Every step says what it is for, so that a failure can be told: `mount "proc" to "/proc"`. */
interface Labelled {
  readonly label: string;
}

/** What may be kept of a step's result: the number in a slot, or an fd dup'ed (close-on-exec) to a fixed number. */
export interface Keeps {
  readonly slot?: Slot;
  readonly fd?: number;
  readonly tolerate?: Tolerate;
}

export interface SyscallStep extends Labelled, Keeps {
  readonly op: "syscall";
  readonly name: SyscallName;
  readonly args: readonly Value[];
}

/**
 * Writes a saved result into the data area: as an integer of that width, or in decimal, NUL-terminated. A slot gets
 * how many bytes that are, without the NUL.
 */
export interface PutStep extends Labelled {
  readonly op: "put";
  readonly slot?: Slot;
  readonly value: Value;
  readonly into: Data;
  readonly as: "u32" | "u64" | "decimal";
}

/** Reads an integer that the kernel wrote into the data area (both ends of a pipe, a pidfd). */
export interface GetStep extends Labelled, Keeps {
  readonly op: "get";
  readonly from: Data;
  readonly as: "i32" | "u64";
}

/**
 * Of a NUL-terminated text, the line that begins with `begin`: the slot gets the address of what follows there, which is
 * NUL-terminated from then on. Without such a line it fails (ENOENT).
 */
export interface LineStep extends Labelled, Keeps {
  readonly op: "line";
  readonly text: Data;
  readonly begin: Data;
}

export interface JumpStep extends Labelled {
  readonly op: "jump";
  readonly value: Value;
  readonly when: Condition | "always";
  readonly to: Label;
}

/**
 * `clone3`; the child goes on at `child`. `slot` gets its pid, `fd` its pidfd (when CLONE_PIDFD is among the flags).
 * With CLONE_VFORK the parent goes on when the child has executed something or ended, and fails when a step
 * of the child failed. `process` numbers the child's record in the status page: 1 to 15, 0 is the first process.
 */
export interface CloneStep extends Labelled, Keeps {
  readonly op: "clone";
  readonly flags: Value;
  /** Folder of a v2 cgroup (CLONE_INTO_CGROUP). */
  readonly cgroup?: number;
  readonly child: Label;
  readonly process: number;
}

/** Sends an fd over a unix socket, with `payload` (or one zero byte). */
export interface PassStep extends Labelled {
  readonly op: "pass";
  readonly socket: Value;
  readonly send: Value;
  readonly payload?: Data;
}

/** Receives an fd that another process of the plan, or TypeScript, sent; waits for it. */
export interface ReceiveStep extends Labelled, Keeps {
  readonly op: "receive";
  readonly socket: Value;
}

/**
 * Tells the TypeScript side `tag` and a value, over the control socket. An fd goes by a PASS before it, over a
 * socket of its own (`StageOptions.fds`): the control socket is a plain stream that any event loop can read.
 */
export interface SyncStep extends Labelled {
  readonly op: "sync";
  readonly tag: number;
  readonly value?: Value;
}

/** Waits until the TypeScript side answers `tag`; its value goes into the slot. A hang-up is a failure (ECONNRESET). */
export interface AwaitStep extends Labelled, Keeps {
  readonly op: "await";
  readonly tag: number;
}

/** Waits for a child; its status (0–255, 128+n for a signal) goes to the slot, or, without one, the process ends with it. */
export interface WaitStep extends Labelled {
  readonly op: "wait";
  readonly pid: Value;
  readonly slot?: Slot;
  /** Meanwhile signals that reach this process are sent on to the child, and other children reaped; needs a slot. */
  readonly forward?: boolean;
}

/** The PID 1 loop: forwards signals to `pid`, reaps orphans, ends with the status of `pid`. */
export interface ReapStep extends Labelled {
  readonly op: "reap";
  readonly pid: Value;
  /** Signal the child's process group (tini -g). */
  readonly group?: boolean;
  /** Say on stderr which orphan was reaped (tini -w). */
  readonly warn?: boolean;
  /** Exit statuses that become 0 (tini -e). */
  readonly remap?: readonly number[];
}

/** What a keeper's fd is; the numbers go over the wire, so they only grow. */
export const HELD = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  master: 3,
  slave: 4,
  pidfd: 5,
  namesUdp: 6,
  namesTcp: 7,
  other: 8,
  /** The container's mount namespace, until its end is told; never handed over. */
  mounts: 9,
} as const;
export type HeldName = keyof typeof HELD;

/** As src/ffi/stage/plan.h has room for. */
export const MAX_HELD = 24;
export const MAX_WATCHES = 8;

/** The keeper's loop (design.md, section 5). */
export interface KeepStep extends Labelled {
  readonly op: "keep";
  /** The kept process, a child of this one. */
  readonly pid: Slot;
  readonly held: readonly { readonly name: HeldName; readonly fd: number }[];
  /** A bound, listening unix socket. */
  readonly listen?: number;
  /** The preallocated file of the exit record. */
  readonly record?: number;
  /** `eventfd`: read 8 bytes when readable (v1 oom). `priority`: POLLPRI (v2 `memory.events`). */
  readonly watches?: readonly { readonly fd: number; readonly kind: "eventfd" | "priority" }[];
  /** /proc/sys/kernel/random/boot_id, for the exit record. */
  readonly bootId: string;
}

/**
 * ts-proxy's loop (src/ffi/stage/proxy/): forwards ports until it is told to end. `first`: what it begins with, each a
 * `struct told` as engine/network/proxy/told.ts makes it.
 */
export interface ProxyStep extends Labelled {
  readonly op: "proxy";
  /** A bound, listening SOCK_SEQPACKET socket, at which it is told of ports. */
  readonly listen?: number;
  /** The folder of that socket: when it is gone and nobody is connected, the proxy ends. */
  readonly folder?: number;
  readonly first?: { readonly ports: Data; readonly count: number };
}

/** Fails with that errno. */
export interface FailStep extends Labelled {
  readonly op: "fail";
  readonly errno: number;
}

/** Goes on with the next part of the plan, when the TypeScript side has sent it (`Stage.more`). A hang-up is a failure (ECONNRESET). */
export interface MoreStep extends Labelled {
  readonly op: "more";
}

/** Fails when a step of any other process of this plan has failed (after the EOF of a close-on-exec pipe, say). */
export interface CheckStep extends Labelled {
  readonly op: "check";
}

export type Step =
  | SyscallStep
  | PutStep
  | GetStep
  | LineStep
  | JumpStep
  | CloneStep
  | PassStep
  | ReceiveStep
  | SyncStep
  | AwaitStep
  | WaitStep
  | ReapStep
  | KeepStep
  | ProxyStep
  | FailStep
  | CheckStep
  | MoreStep;
