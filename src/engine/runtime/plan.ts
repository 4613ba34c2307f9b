/**
 * The plan: what the stage (src/ffi/stage/) will do, as data. A flat list of steps, a data area that they point
 * into, and a human label for every step. Everything here is symbolic and independent of the machine, so that
 * a plan can be printed (`explain.ts`), golden-tested without root, and encoded for either architecture (`encode.ts`).
 *
 * The stage maps a plan at {@link PLAN_BASE}, so an address in the data area is known when it is built.
 */
import type { SyscallName } from "../../ffi/syscalls.ts";

/** Where the stage maps the plan, and where in it the slots and the data area lie. */
export const PLAN_BASE = 0x4000_0000;
export const SLOTS_AT = 2048;
export const DATA_AT = 4096;
export const MAX_SLOTS = 256;

/** File descriptors that the stage is born with. */
export const STAGE_FD = { plan: 3, status: 4, control: 5, firstPassed: 6 } as const;
/** `PlanBuilder.fd()` counts from here: above whatever `open` returns meanwhile. */
export const FIRST_KEPT_FD = 32;

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
interface Keeps {
  readonly slot?: Slot;
  readonly fd?: number;
  readonly tolerate?: Tolerate;
}

export interface SyscallStep extends Labelled, Keeps {
  readonly op: "syscall";
  readonly name: SyscallName;
  readonly args: readonly Value[];
}

/** Writes a saved result into the data area: as an integer of that width, or in decimal, NUL-terminated. */
export interface PutStep extends Labelled {
  readonly op: "put";
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

/** Fails when a step of any other process of this plan has failed (after the EOF of a close-on-exec pipe, say). */
export interface CheckStep extends Labelled {
  readonly op: "check";
}

export type Step =
  | SyscallStep
  | PutStep
  | GetStep
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
  | CheckStep;

export interface Plan {
  readonly steps: readonly Step[];
  readonly data: Uint8Array;
  /** Where each data item lies, in order, for `explain`. */
  readonly items: readonly Data[];
  /** What a process of this plan will execute as a plan of its own (`--init`); its processes count from 8. */
  readonly nested?: Plan;
}

/** A name for a number, so that `explain` prints `O_PATH|O_CLOEXEC` and not 0x280000. */
export const named = (show: string, value: number | bigint): Named => ({ kind: "named", value, show });

/** Several flags of one table (src/ffi/), or'ed: `flags(O, "O_PATH", "O_CLOEXEC")`. */
export function flags<Table extends Record<string, number>>(
  table: Table,
  ...names: (keyof Table & string)[]
): Named {
  const show = names.length === 0 ? "0" : names.join("|");
  let value = 0;
  for (const name of names) {
    const flag = table[name] as number;
    if (flag < 0 || flag > 0x7fff_ffff) return named(show, wideFlags(table, names));
    value |= flag;
  }
  return named(show, value);
}

function wideFlags(table: Record<string, number>, names: readonly string[]): bigint {
  let value = 0n;
  for (const name of names) value |= BigInt.asUintN(64, BigInt(table[name] as number));
  return value;
}

type Width = "u8" | "u16" | "u32" | "i32" | "u64";

/** A field of a struct: its offset in bytes, its width and its value. A `Data` is its address (u64). */
export type Field = readonly [offset: number, width: Width, value: number | bigint | Named | Data];

export interface CallOptions extends Keeps {
  readonly label?: string;
}

const ENCODER = new TextEncoder();

/** Builds a plan from top to bottom. */
export class PlanBuilder {
  readonly #steps: Step[] = [];
  readonly #items: Data[] = [];
  readonly #strings = new Map<string, Data>();
  readonly #labels: Label[] = [];
  #data = new Uint8Array(4096);
  #used = 0;
  #slots = 0;
  #nextFd = FIRST_KEPT_FD;
  #nested: Plan | undefined;

  /** A fixed number for an fd that the plan keeps. */
  fd(): number {
    return this.#nextFd++;
  }

  slot(name: string): Slot {
    if (this.#slots === MAX_SLOTS) throw new RangeError("a plan has at most 256 slots");
    return { kind: "slot", value: this.#slots++, name };
  }

  label(name: string): Label {
    const label: Label = { kind: "label", name, at: -1 };
    this.#labels.push(label);
    return label;
  }

  /** The label stands before the next step. */
  place(label: Label): void {
    if (label.at !== -1) throw new Error(`label ${label.name} is placed twice`);
    label.at = this.#steps.length;
  }

  /** A NUL-terminated string; equal ones share their place, so never PUT into one. */
  string(text: string): Data {
    let data = this.#strings.get(text);
    if (data === undefined) {
      if (text.includes("\0")) throw new RangeError(`a NUL byte in ${JSON.stringify(text)}`);
      const bytes = ENCODER.encode(text);
      data = this.space(bytes.length + 1, JSON.stringify(text));
      this.#data.set(bytes, data.offset - DATA_AT);
      this.#strings.set(text, data);
    }
    return data;
  }

  /** A NUL-terminated string of any encoding. */
  cstring(bytes: Uint8Array, show = `[${bytes.length} bytes]`): Data {
    const data = this.space(bytes.length + 1, show);
    this.#data.set(bytes, data.offset - DATA_AT);
    return data;
  }

  bytes(bytes: Uint8Array, show = `[${bytes.length} bytes]`): Data {
    const data = this.space(bytes.length, show);
    this.#data.set(bytes, data.offset - DATA_AT);
    return data;
  }

  /** Zeroed room that steps write into. 8-byte aligned. */
  space(size: number, show: string): Data {
    const offset = this.#used;
    this.#used = (offset + size + 7) & ~7;
    if (this.#used > this.#data.length) {
      const grown = new Uint8Array(Math.max(this.#data.length * 2, (this.#used + 4095) & ~4095));
      grown.set(this.#data);
      this.#data = grown;
    }
    const data = dataAt(DATA_AT + offset, size, show);
    this.#items.push(data);
    return data;
  }

  struct(size: number, show: string, fields: readonly Field[]): Data {
    const data = this.space(size, show);
    for (const field of fields) this.#write(data, field);
    return data;
  }

  /** A part of a data item, to PUT into or to GET from. */
  part(data: Data, offset: number, size = data.size - offset, show = `${data.show}+${offset}`): Data {
    return dataAt(data.offset + offset, size, show);
  }

  /** A NULL-terminated array of strings: argv, envp. */
  strings(list: readonly string[], show = `[${list.map((s) => JSON.stringify(s)).join(", ")}]`): Data {
    const pointers = list.map((text): Field["2"] => this.string(text));
    return this.pointers(pointers, show);
  }

  /** A NULL-terminated array of addresses. */
  pointers(list: readonly (number | bigint | Named | Data)[], show: string): Data {
    return this.struct(
      (list.length + 1) * 8,
      show,
      list.map((value, i): Field => [i * 8, "u64", value]),
    );
  }

  iovec(parts: readonly Data[]): Data {
    const fields = parts.flatMap((part, i): Field[] => [
      [i * 16, "u64", part],
      [i * 16 + 8, "u64", part.size],
    ]);
    return this.struct(parts.length * 16, `iovec[${parts.map((p) => p.show).join(", ")}]`, fields);
  }

  /** One system call. Without a label, the call's own name tells what failed. */
  call(name: SyscallName, args: readonly Value[], options: CallOptions = {}): void {
    const { label = name, slot, fd, tolerate } = options;
    // Spelled out: a spread per step is a good part of a first start
    this.#steps.push({ op: "syscall", name, args, label, slot, fd, tolerate } as SyscallStep);
  }

  put(value: Value, into: Data, as: PutStep["as"], label = "put"): void {
    this.add({ op: "put", value, into, as, label });
  }

  get(from: Data, as: GetStep["as"], keeps: Keeps, label = "get"): void {
    this.add({ op: "get", from, as, label, ...keeps });
  }

  jump(to: Label, label = `go to ${to.name}`): void {
    this.add({ op: "jump", value: 0, when: "always", to, label });
  }

  jumpWhen(value: Value, when: Condition, to: Label, label = `go to ${to.name}`): void {
    this.add({ op: "jump", value, when, to, label });
  }

  /** The steps that `body` adds are skipped when the condition holds. */
  unless(value: Value, when: Condition, body: () => void, label = "skip"): void {
    const after = this.label(label);
    this.jumpWhen(value, when, after, label);
    body();
    this.place(after);
  }

  /** Any step, as it is. */
  add(step: Step): void {
    this.#steps.push(step);
  }

  /** Says that a process of this plan will execute another one, so that failures in there can be named. */
  nest(plan: Plan): void {
    if (this.#nested !== undefined) throw new Error("a plan has at most one nested plan");
    this.#nested = plan;
  }

  build(): Plan {
    for (const label of this.#labels) {
      if (label.at === -1) throw new Error(`label ${label.name} is never placed`);
    }
    const plan = { steps: this.#steps, data: this.#data.subarray(0, this.#used), items: this.#items };
    return this.#nested === undefined ? plan : { ...plan, nested: this.#nested };
  }

  #write(data: Data, [offset, width, value]: Field): void {
    const view = new DataView(this.#data.buffer, this.#data.byteOffset + data.offset - DATA_AT + offset);
    const number = typeof value === "object" ? value.value : value;
    if (width === "u64" && typeof number === "number" && number >= 0 && number <= Number.MAX_SAFE_INTEGER) {
      view.setUint32(0, number % 0x1_0000_0000, true);
      view.setUint32(4, Math.floor(number / 0x1_0000_0000), true);
    } else if (width === "u32" && typeof number === "number" && number >= 0) view.setUint32(0, number, true);
    else if (width === "u64") view.setBigUint64(0, BigInt.asUintN(64, BigInt(number)), true);
    else if (width === "u32" || width === "i32")
      view.setUint32(0, Number(BigInt.asUintN(32, BigInt(number))), true);
    else if (width === "u16") view.setUint16(0, Number(number), true);
    else view.setUint8(0, Number(number));
  }
}

/** A part of the data area. */
export const dataAt = (offset: number, size: number, show: string): Data => ({
  kind: "data",
  offset,
  size,
  show,
  value: PLAN_BASE + offset,
});
