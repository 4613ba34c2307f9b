/**
 * The plan: what the stage (src/ffi/stage/) will do, as data. A flat list of steps (`steps.ts`), a data area that they
 * point into, and a human label for every step. Everything here is symbolic and independent of the machine, so that
 * a plan can be printed (`explain.ts`), golden-tested without root, and encoded for either architecture (`encode.ts`).
 *
 * The stage maps a plan at {@link PLAN_BASE}, so an address in the data area is known when it is built.
 */
import type { SyscallName } from "../../ffi/syscalls.ts";
import type {
  Condition,
  Data,
  GetStep,
  Keeps,
  Label,
  Named,
  PutStep,
  Slot,
  Step,
  SyscallStep,
  Value,
} from "./steps.ts";

/** Where the stage maps the plan, and where in it the data area lies, behind the slots. */
export const PLAN_BASE = 0x4000_0000;
export const DATA_AT = 4096;
export const MAX_SLOTS = 256;

/** How far apart the parts of a plan lie, and where in each but the first the data area does. */
export const PART_ROOM = 0x400_0000;
export const PART_DATA_AT = 16;

/** File descriptors that the stage is born with. */
export const STAGE_FD = { plan: 3, status: 4, control: 5, firstPassed: 6 } as const;
/** `PlanBuilder.fd()` counts from here: above whatever `open` returns meanwhile. */
export const FIRST_KEPT_FD = 32;

export interface Plan {
  readonly steps: readonly Step[];
  readonly data: Uint8Array;
  /** Where each data item lies, in order, for `explain`. */
  readonly items: readonly Data[];
  /** What a process of this plan will execute as a plan of its own (`--init`); its processes count from 8. */
  readonly nested?: Plan;
  /** Of a part that is not the first: where it lies from {@link PLAN_BASE} on, and the number of its first step. */
  readonly at: number;
  readonly first: number;
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
  #steps: Step[] = [];
  #items: Data[] = [];
  readonly #strings = new Map<string, Data>();
  readonly #labels: Label[] = [];
  /** Where the part that is being built lies, where its data does, and how many steps came before. */
  #at = 0;
  #dataAt = DATA_AT;
  #first = 0;
  #data = new Uint8Array(4096);
  #used = 0;
  #page: Data | undefined;
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
    label.at = this.#first + this.#steps.length;
  }

  /** A NUL-terminated string; equal ones share their place, so never PUT into one. */
  string(text: string): Data {
    let data = this.#strings.get(text);
    if (data === undefined) {
      if (text.includes("\0")) throw new RangeError(`a NUL byte in ${JSON.stringify(text)}`);
      const bytes = ENCODER.encode(text);
      data = this.space(bytes.length + 1, JSON.stringify(text));
      this.#data.set(bytes, data.offset - this.#dataAt);
      this.#strings.set(text, data);
    }
    return data;
  }

  /** A NUL-terminated string of any encoding. */
  cstring(bytes: Uint8Array, show = `[${bytes.length} bytes]`): Data {
    const data = this.space(bytes.length + 1, show);
    this.#data.set(bytes, data.offset - this.#dataAt);
    return data;
  }

  bytes(bytes: Uint8Array, show = `[${bytes.length} bytes]`): Data {
    const data = this.space(bytes.length, show);
    this.#data.set(bytes, data.offset - this.#dataAt);
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
    const data = dataAt(this.#dataAt + offset, size, show);
    this.#items.push(data);
    return data;
  }

  /** A page of it that is everybody's: for what is read and looked at before anything else is done. */
  page(): Data {
    this.#page ??= this.space(4096, "a page");
    return this.#page;
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
    return this.#part();
  }

  /**
   * What there is so far, as a part that a stage may begin with: the process that comes to its end waits there for the
   * next one. No jump leads from one part into another, and what lies in an earlier one is only referred to.
   */
  cut(label: string): Plan {
    this.add({ op: "more", label });
    const part = this.#part();
    this.#first += this.#steps.length;
    this.#at += PART_ROOM;
    this.#dataAt = this.#at + PART_DATA_AT;
    this.#steps = [];
    this.#items = [];
    this.#data = new Uint8Array(4096);
    this.#used = 0;
    return part;
  }

  #part(): Plan {
    const plan = {
      steps: this.#steps,
      data: this.#data.subarray(0, this.#used),
      items: this.#items,
      at: this.#at,
      first: this.#first,
    };
    return this.#nested === undefined ? plan : { ...plan, nested: this.#nested };
  }

  #write(data: Data, [offset, width, value]: Field): void {
    const view = new DataView(this.#data.buffer, this.#data.byteOffset + data.offset - this.#dataAt + offset);
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
