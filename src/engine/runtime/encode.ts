/**
 * A plan as bytes: what src/ffi/stage/plan.h describes. Nothing is decided here.
 */
import { ARCH, type Arch, SYSCALLS } from "../../ffi/syscalls.ts";
import { DATA_AT, dataAt, PART_DATA_AT, PART_ROOM, type Plan } from "./plan.ts";
import {
  type Data,
  HELD,
  type KeepStep,
  type Label,
  MAX_HELD,
  MAX_WATCHES,
  type Slot,
  type Step,
  type SyscallStep,
  type Value,
} from "./steps.ts";

const PLAN_MAGIC = 0x4c505354;
export const PLAN_VERSION = 1;
const PLAN_KEEPS_MASK = 1;
const STEP_SIZE = 72;
const STEP_READS_LOG = 1;
const TOLERATES_ALL = 0xffff;
/** A bit for each exit status. */
const REMAP_SIZE = 32;
const KEEP_SIZE = 16 + 40 + MAX_HELD * 8 + MAX_WATCHES * 8;

const OPS = {
  syscall: 1,
  put: 2,
  get: 3,
  jump: 4,
  clone: 5,
  pass: 6,
  receive: 7,
  sync: 8,
  await: 9,
  wait: 10,
  reap: 11,
  keep: 12,
  fail: 13,
  check: 14,
  proxy: 15,
  more: 16,
  line: 17,
} as const satisfies Record<Step["op"], number>;

/** As src/ffi/stage/plan.h numbers them. */
const CONDITIONS = { always: 0, negative: 1, "not negative": 2, zero: 3, "not zero": 4 } as const;
const EQUALS = 5;

/** These leave a message in the file system's log when they fail. */
const SYSCALL_WITH_LOG = OPS.syscall | (STEP_READS_LOG << 8);

/** First process number of a plan that another plan's process executes (`--init`). */
export const NESTED_PROCESS = 8;

export interface EncodeOptions {
  arch?: Arch;
  /** The plan will be run by a process of another plan, and numbers its own from {@link NESTED_PROCESS}. */
  nested?: boolean;
  /** Signals that are blocked when the stage begins stay so: for a step that takes them. */
  keepMask?: boolean;
}

/** A plan, or a part of one. Throws a `RangeError` for a system call that the architecture lacks. */
export function encodePlan(
  plan: Plan,
  { arch = ARCH, nested = false, keepMask = false }: EncodeOptions = {},
): Uint8Array<ArrayBuffer> {
  // Plain loops: on the way to every start, and the first `filter` or `forEach` costs 90 µs to compile
  let extrasSize = 0;
  for (const step of plan.steps) {
    if (step.op === "keep") extrasSize += KEEP_SIZE;
    if (step.op === "reap" && step.remap !== undefined) extrasSize += REMAP_SIZE;
  }
  const dataBegins = plan.at === 0 ? DATA_AT : PART_DATA_AT;
  const extrasAt = dataBegins + plan.data.length;
  const stepsAt = extrasAt + extrasSize;
  const bytes = new Uint8Array(stepsAt + plan.steps.length * STEP_SIZE);
  if (bytes.length > PART_ROOM) throw new RangeError("a plan has at most 64 MiB");
  const words = new Int32Array(bytes.buffer, 0, bytes.length / 4);
  if (plan.at === 0) {
    words[0] = PLAN_MAGIC;
    words[1] = PLAN_VERSION;
    words[2] = bytes.length;
    words[4] = stepsAt;
    words[5] = plan.steps.length;
    words[6] = nested ? NESTED_PROCESS : 0;
    words[7] = keepMask ? PLAN_KEEPS_MASK : 0;
  } else {
    words[0] = plan.first;
    words[1] = plan.steps.length;
    words[2] = stepsAt;
  }
  bytes.set(plan.data, dataBegins);

  let extra = extrasAt;
  /** Room that a step needs beyond its arguments. */
  const room = (size: number): Data => {
    extra += size;
    return dataAt(plan.at + extra - size, size, "");
  };
  const context: Context = { arch, bytes, plan, room, firstProcess: nested ? NESTED_PROCESS : 0 };
  encodeSteps(plan.steps, words, stepsAt / 4, context);
  return bytes;
}

interface Context {
  arch: Arch;
  bytes: Uint8Array<ArrayBuffer>;
  plan: Plan;
  room: (size: number) => Data;
  firstProcess: number;
}

/**
 * `at` counts words of 32 bits: typed arrays are quick before any code is warm, a DataView is not. One loop, without a
 * function for each part: a function that is called for every step is compiled, and compiled again, while a program
 * starts, which took 9 ms of a processor.
 */
function encodeSteps(steps: readonly Step[], words: Int32Array, at: number, context: Context): void {
  const column = context.arch === "x86_64" ? 0 : 1;
  for (let i = 0; i < steps.length; i++, at += STEP_SIZE / 4) {
    const step = steps[i]!;
    const { slot, fd, tolerate } = step as Keeps;
    let head: number;
    let args: readonly Value[];
    if (step.op === "syscall") {
      const number = SYSCALLS[step.name][column];
      if (number == null)
        throw new RangeError(`${step.label}: ${context.arch} has no system call ${step.name}`);
      words[at + 1] = number;
      head = step.name === "fsconfig" || step.name === "fsmount" ? SYSCALL_WITH_LOG : OPS.syscall;
      args = step.args;
    } else {
      head = OPS[step.op];
      args = argumentsOf(step, context);
    }
    words[at + 2] = fd ?? -1;
    words[at + 3] = slot === undefined ? -1 : slot.value;
    if (tolerate !== undefined) encodeTolerated(at + 4, tolerate, step.label, words);
    if (args.length > 6) throw new RangeError(`${step.label}: more than six arguments`);
    for (let n = 0; n < args.length; n++) {
      const arg = args[n]!;
      let value: number | bigint;
      if (typeof arg === "object") {
        if (arg.kind === "slot") head |= 0x1_0000 << n;
        value = arg.value;
      } else value = arg;
      if (typeof value === "number" && value >= -0x8000_0000 && value <= 0x7fff_ffff) {
        words[at + 6 + n * 2] = value;
        // The word above is zero already
        if (value < 0) words[at + 7 + n * 2] = -1;
      } else encodeWide(at + 6 + n * 2, value, words);
    }
    words[at] = head;
  }
}

function encodeTolerated(
  at: number,
  tolerate: readonly number[] | "all",
  label: string,
  words: Int32Array,
): void {
  const errnos = tolerate === "all" ? [TOLERATES_ALL] : tolerate;
  if (errnos.length > 4) throw new RangeError(`${label}: more than four tolerated errnos`);
  for (let n = 0; n < errnos.length; n++) words[at + (n >> 1)]! |= errnos[n]! << ((n & 1) * 16);
}

/** 64 bits, two's complement. */
function encodeWide(at: number, value: number | bigint, words: Int32Array): void {
  if (typeof value === "bigint") {
    words[at] = Number(BigInt.asIntN(32, value));
    words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  } else {
    words[at] = value;
    words[at + 1] = Math.floor(value / 0x1_0000_0000);
  }
}

interface Keeps {
  slot?: Slot;
  fd?: number;
  tolerate?: readonly number[] | "all";
}

const WIDTHS = { u32: 4, u64: 8, decimal: 10 } as const;

function argumentsOf(step: Exclude<Step, SyscallStep>, context: Context): readonly Value[] {
  switch (step.op) {
    case "put":
      return [step.value, step.into, WIDTHS[step.as]];
    case "get":
      return [step.from, step.as === "i32" ? 4 : 8];
    case "line":
      return [step.text, step.begin];
    case "jump":
      if (typeof step.when === "object")
        return [step.value, EQUALS, step.when.equals, target(step.to, context)];
      return [step.value, CONDITIONS[step.when], 0, target(step.to, context)];
    case "clone":
      return [
        step.flags,
        step.cgroup ?? -1,
        target(step.child, context),
        context.firstProcess + step.process,
      ];
    case "pass":
      return [step.socket, step.send, step.payload ?? 0, step.payload?.size ?? 0];
    case "receive":
      return [step.socket];
    case "sync":
      return [step.tag, step.value ?? 0];
    case "await":
      return [step.tag];
    case "wait":
      return [step.pid, step.forward ? 1 : 0];
    case "reap":
      return [step.pid, (step.group ? 1 : 0) | (step.warn ? 2 : 0), remapOf(step.remap, context)];
    case "keep":
      return [step.pid, keepOf(step, context)];
    case "proxy":
      return [step.listen ?? -1, step.folder ?? -1, step.first?.ports ?? 0, step.first?.count ?? 0];
    case "fail":
      return [step.errno];
    case "check":
    case "more":
      return [];
  }
}

function target({ at, name }: Label, { plan: { first, steps } }: Context): number {
  if (at < 0) throw new RangeError(`label ${name} is never placed`);
  const end = first + steps.length;
  if (at < first || at > end || (at === end && steps.at(-1)?.op === "more"))
    throw new RangeError(`label ${name} is in another part`);
  return at;
}

/** A bit for each exit status that becomes 0. */
function remapOf(statuses: readonly number[] | undefined, { bytes, plan, room }: Context): Value {
  if (statuses === undefined) return 0;
  const data = room(REMAP_SIZE);
  for (const status of statuses) bytes[data.offset - plan.at + (status >> 3)]! |= 1 << (status & 7);
  return data;
}

function keepOf(step: KeepStep, { bytes, plan, room }: Context): Data {
  const watches = step.watches ?? [];
  if (step.held.length > MAX_HELD || watches.length > MAX_WATCHES)
    throw new RangeError(`${step.label}: too many fds`);
  const data = room(KEEP_SIZE);
  const view = new DataView(bytes.buffer, data.offset - plan.at, KEEP_SIZE);
  view.setInt32(0, step.listen ?? -1, true);
  view.setInt32(4, step.record ?? -1, true);
  view.setUint32(8, step.held.length, true);
  view.setUint32(12, watches.length, true);
  bytes.set(new TextEncoder().encode(step.bootId).subarray(0, 39), data.offset - plan.at + 16);
  for (const [n, { fd, name }] of step.held.entries()) {
    view.setInt32(56 + n * 8, fd, true);
    view.setUint32(60 + n * 8, HELD[name], true);
  }
  const watchesAt = 56 + MAX_HELD * 8;
  for (const [n, { fd, kind }] of watches.entries()) {
    view.setInt32(watchesAt + n * 8, fd, true);
    view.setUint32(watchesAt + 4 + n * 8, kind === "priority" ? 1 : 0, true);
  }
  return data;
}
