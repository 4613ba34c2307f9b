/**
 * What `tsrunc update` is asked for, by its flags or by a document, as resources of the specification.
 * @source runc's update.go; config-linux.md "Control groups"
 */
import { decodeJson } from "../../engine/json/decode.ts";
import type { Resources } from "../../engine/runtime/spec.ts";
import { resourcesSchema } from "../../engine/runtime/spec-schema.ts";
import { parseByteSize } from "../support/units.ts";
import { type Flags, type FlagTable, UsageError } from "./flags.ts";

export const RESOURCE_FLAGS: FlagTable = {
  resources: { kind: "value", short: "r" },
  "blkio-weight": { kind: "value" },
  "cpu-period": { kind: "value" },
  "cpu-quota": { kind: "value" },
  "cpu-burst": { kind: "value" },
  "cpu-share": { kind: "value" },
  "cpu-rt-period": { kind: "value" },
  "cpu-rt-runtime": { kind: "value" },
  "cpu-idle": { kind: "value" },
  "cpuset-cpus": { kind: "value" },
  "cpuset-mems": { kind: "value" },
  memory: { kind: "value" },
  "memory-reservation": { kind: "value" },
  "memory-swap": { kind: "value" },
  "kernel-memory": { kind: "value" },
  "kernel-memory-tcp": { kind: "value" },
  "pids-limit": { kind: "value" },
  "l3-cache-schema": { kind: "value" },
  "mem-bw-schema": { kind: "value" },
};

const UNLIMITED = -1;

/** Go's strconv.ParseInt or ParseUint; nothing for an empty word. */
function integer(flags: Flags, name: string, parse: "ParseInt" | "ParseUint"): number | undefined {
  const text = flags.value(name);
  if (!text) return undefined;
  if (!(parse === "ParseInt" ? /^[+-]?\d+$/ : /^\d+$/).test(text)) {
    const quoted = JSON.stringify(text);
    throw new Error(`invalid value for ${name}: strconv.${parse}: parsing ${quoted}: invalid syntax`);
  }
  return Number(text);
}

function size(flags: Flags, name: string): number | undefined {
  const text = flags.value(name);
  if (!text) return undefined;
  if (text === "-1") return UNLIMITED;
  try {
    return parseByteSize(text);
  } catch (error) {
    throw new Error(`invalid value for ${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** Only what was given. @throws Error in runc's words */
export function resourcesOfFlags(flags: Flags): Resources {
  for (const [name, what] of [
    ["l3-cache-schema", "Intel RDT/CAT: l3 cache schema is not enabled"],
    ["mem-bw-schema", "Intel RDT/MBA: memory bandwidth schema is not enabled"],
  ] as const)
    if (flags.value(name)) throw new Error(what);
  const weight = flags.number("blkio-weight");
  if (weight < 0 || weight > 0xffff)
    throw new UsageError(`invalid value "${weight}" for flag -blkio-weight: value out of range`);
  return given({
    cpu: given({
      cpus: flags.value("cpuset-cpus"),
      mems: flags.value("cpuset-mems"),
      idle: integer(flags, "cpu-idle", "ParseInt"),
      burst: integer(flags, "cpu-burst", "ParseUint"),
      period: integer(flags, "cpu-period", "ParseUint"),
      realtimePeriod: integer(flags, "cpu-rt-period", "ParseUint"),
      shares: integer(flags, "cpu-share", "ParseUint"),
      quota: integer(flags, "cpu-quota", "ParseInt"),
      realtimeRuntime: integer(flags, "cpu-rt-runtime", "ParseInt"),
    }),
    memory: given({
      limit: size(flags, "memory"),
      swap: size(flags, "memory-swap"),
      kernel: size(flags, "kernel-memory"),
      kernelTCP: size(flags, "kernel-memory-tcp"),
      reservation: size(flags, "memory-reservation"),
    }),
    blockIO: weight === 0 ? undefined : { weight },
    pids: flags.has("pids-limit") ? { limit: flags.number("pids-limit") } : undefined,
  });
}

/** @throws Error in Go's words for a document that is none, or of the wrong types */
export function resourcesOfDocument(text: string): Resources {
  try {
    const { memory, cpu, pids, blockIO, unified } = decodeJson<Resources>(text, resourcesSchema);
    // Of the rest nothing can be updated, as with runc.
    return given({ memory, cpu, pids, blockIO, unified });
  } catch (error) {
    throw new Error((error as Error).message.replace(/^invalid JSON: /, ""), { cause: error });
  }
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what is undefined, or an object without anything. */
function given<T extends object>(of: T): Given<T> {
  const entries = Object.entries(of).filter(
    ([, value]) =>
      value !== undefined &&
      value !== null &&
      !(typeof value === "object" && Object.keys(value).length === 0),
  );
  return Object.fromEntries(entries) as Given<T>;
}

/** What a number of 0 and an empty text leave as it is. */
function changes<T extends object>(of: T | undefined): Partial<T> {
  const entries = Object.entries(of ?? {}).filter(([, value]) => value !== 0 && value !== "");
  return Object.fromEntries(entries) as Partial<T>;
}

export interface Change {
  /** The container's resources as they will be. */
  next: Resources;
  /** What has to be written for that: of what is counted together, all of it. */
  write: Resources;
}

/** A container that has `has` is asked for `asked`. */
export function changeOf(has: Resources, asked: Resources): Change {
  const memory: Resources["memory"] = { ...has.memory, ...changes(asked.memory) };
  // Memory without a limit leaves none on memory and swap either.
  if (asked.memory?.limit === UNLIMITED && !asked.memory.swap) delete memory.swap;
  const { idle, burst } = asked.cpu ?? {};
  const zeros = { ...(idle !== undefined && { idle }), ...(burst !== undefined && { burst }) };
  const cpu = { ...has.cpu, ...changes(asked.cpu), ...zeros };
  const { limit, swap } = memory;
  const { quota, period } = cpu;
  const { checkBeforeUpdate: _, ...memoryAsked } = changes(asked.memory);
  const { checkBeforeUpdate: __, ...memoryNext } = memory;
  const limits = asked.memory?.limit || asked.memory?.swap;
  const times = asked.cpu?.quota || asked.cpu?.period;
  return {
    next: {
      ...has,
      ...(asked.memory && { memory: memoryNext }),
      ...(asked.cpu && { cpu }),
      ...(asked.pids && { pids: asked.pids }),
      ...(asked.blockIO && { blockIO: { ...has.blockIO, ...changes(asked.blockIO) } }),
      ...(asked.unified && { unified: { ...has.unified, ...asked.unified } }),
    },
    write: {
      ...asked,
      ...(asked.memory && { memory: { ...memoryAsked, ...(limits && given({ limit, swap })) } }),
      ...(asked.cpu && { cpu: { ...asked.cpu, ...(times && given({ quota, period })) } }),
    },
  };
}
