/**
 * Resources of the specification as properties of a systemd unit. systemd writes the files of its cgroups again whenever
 * it likes (another unit's start, `daemon-reload`): what it does not know of, it undoes. So it is told the same that is
 * written, and no less.
 * @source systemd.resource-control(5); org.freedesktop.systemd1(5); runc's docs/systemd.md
 */
import { Variant } from "../dbus/values.ts";
import { EngineError } from "../errors.ts";
import { type Limit, limitsV1, limitsV2 } from "../runtime/cgroup-limits.ts";
import { deviceRules } from "../runtime/device-rules.ts";
import type { DeviceRule, Resources } from "../runtime/spec.ts";

export type Property = [name: string, value: Variant];

export interface PropertyOptions {
  /** Of the hierarchy that has the controllers. */
  version: 1 | 2;
  /** systemd's own version, for what has not always been there. */
  systemd: number;
}

const INFINITY = 0xffff_ffff_ffff_ffffn;
const SECOND_US = 1_000_000;
const DEFAULT_PERIOD_US = 100_000;
/** A hundredth of a processor: systemd counts in whole ones. */
const PERCENT_US = 10_000;
/** With these it can be said at all. */
const HAS_CPU_IDLE = 252;
const HAS_SCOPE_OOM_POLICY = 253;

const number = (value: bigint | number): Variant => new Variant("t", value);

/** `max`, as version 2 has it, or -1, as version 1 does. */
function amount(file: string, text: string): Variant {
  const trimmed = text.trim();
  if (trimmed === "max" || trimmed === "-1") return number(INFINITY);
  if (!/^\d+$/.test(trimmed))
    throw new EngineError("invalid", `cannot tell systemd of ${file}: ${JSON.stringify(text)} is no number`);
  return number(BigInt(trimmed));
}

/** The number in `default 100`. */
const weight = (file: string, text: string): Variant => amount(file, text.replace(/^default /, ""));
/** None at all is not to be had. */
const tasks = (file: string, text: string): Variant => (text.trim() === "0" ? number(1) : amount(file, text));

/** `0-2,8` as bits, the lowest first. */
export function bitsOf(list: string): number[] {
  const bytes: number[] = [];
  for (const part of list.split(",").map((each) => each.trim())) {
    if (part === "") continue;
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    if (first === undefined || Number(first) > Number(last))
      throw new EngineError("invalid", `${JSON.stringify(list)} is no list of processors or memory nodes`);
    for (let n = Number(first); n <= Number(last); n++) {
      while (bytes.length <= n >> 3) bytes.push(0);
      bytes[n >> 3]! |= 1 << (n & 7);
    }
  }
  return bytes;
}

const bits = (_file: string, text: string): Variant => new Variant("ay", bitsOf(text));

type Rule = [property: string, value: (file: string, text: string) => Variant];

const V1: Record<string, Rule> = {
  "memory.limit_in_bytes": ["MemoryLimit", amount],
  "cpu.shares": ["CPUShares", amount],
  "blkio.weight": ["BlockIOWeight", amount],
  "cpuset.cpus": ["AllowedCPUs", bits],
  "cpuset.mems": ["AllowedMemoryNodes", bits],
  "pids.max": ["TasksMax", tasks],
};

const V2: Record<string, Rule> = {
  "memory.max": ["MemoryMax", amount],
  "memory.high": ["MemoryHigh", amount],
  "memory.low": ["MemoryLow", amount],
  "memory.min": ["MemoryMin", amount],
  "memory.swap.max": ["MemorySwapMax", amount],
  "cpu.weight": ["CPUWeight", amount],
  "io.weight": ["IOWeight", weight],
  "cpuset.cpus": ["AllowedCPUs", bits],
  "cpuset.mems": ["AllowedMemoryNodes", bits],
  "pids.max": ["TasksMax", tasks],
};

/** The quota as systemd will write it, which knows only percents: more than was asked for by less than one. */
export function roundQuota(quota: number, period = DEFAULT_PERIOD_US): number {
  const perSecond = Math.trunc((quota * SECOND_US) / period);
  const percents = Math.ceil(perSecond / PERCENT_US);
  return perSecond % PERCENT_US === 0 ? quota : Math.trunc((percents * PERCENT_US * period) / SECOND_US);
}

/** The resources with nothing in them that systemd would have written otherwise. */
export function roundedResources(resources: Resources): Resources {
  const { cpu } = resources;
  if (!cpu?.quota || cpu.quota < 0) return resources;
  return { ...resources, cpu: { ...cpu, quota: roundQuota(cpu.quota, cpu.period || undefined) } };
}

/** Microseconds; a quota of 0 or less is none. */
function quotaProperties(quota: number, period: number): Property[] {
  const perSecond =
    quota > 0
      ? BigInt(Math.ceil(Math.trunc((quota * SECOND_US) / period) / PERCENT_US) * PERCENT_US)
      : INFINITY;
  return [
    ["CPUQuotaPeriodUSec", number(period)],
    ["CPUQuotaPerSecUSec", number(perSecond)],
  ];
}

/** `50000 100000`, `max 100000`, `50000`; version 1 has a file for each. */
function quotaOf(limits: readonly Limit[]): Property[] {
  const value = (file: string) => limits.findLast((limit) => limit.file === file)?.value;
  const both = value("cpu.max")?.trim().split(/\s+/);
  const quota = both?.[0] ?? value("cpu.cfs_quota_us");
  const period = both?.[1] ?? value("cpu.cfs_period_us");
  if (quota === undefined && period === undefined) return [];
  const known = quota === undefined || quota === "max" ? 0 : Number(quota);
  const length = Number(period ?? DEFAULT_PERIOD_US);
  if (!Number.isFinite(known) || !(length > 0))
    throw new EngineError("invalid", `cannot tell systemd of cpu.max: ${JSON.stringify(both?.join(" "))}`);
  return quotaProperties(known, length);
}

/** What systemd has no property for is written into the cgroup alone. */
export function resourceProperties(resources: Resources, { version, systemd }: PropertyOptions): Property[] {
  const limits = version === 2 ? limitsV2(resources) : limitsV1(resources);
  const table = version === 2 ? V2 : V1;
  const properties = new Map<string, Variant>();
  for (const { file, value } of limits) {
    const rule = Object.hasOwn(table, file) ? table[file] : undefined;
    if (rule) properties.set(rule[0], rule[1](file, value));
  }
  for (const [name, value] of quotaOf(limits)) properties.set(name, value);
  const idle = limits.findLast(({ file }) => file === "cpu.idle")?.value.trim();
  // A weight of nothing is systemd's word for it.
  if (version === 2 && idle === "1" && systemd >= HAS_CPU_IDLE) properties.set("CPUWeight", number(0));
  return [...properties];
}

/** What can only be said of a scope that does not run yet. */
export function startProperties({ unified }: Resources, { version, systemd }: PropertyOptions): Property[] {
  const group = version === 2 ? unified?.["memory.oom.group"]?.trim() : undefined;
  if (systemd < HAS_SCOPE_OOM_POLICY || (group !== "0" && group !== "1")) return [];
  return [["OOMPolicy", new Variant("s", group === "1" ? "kill" : "continue")]];
}

/** Is systemd's own version of any account? */
export const asksForVersion = ({ cpu, unified }: Resources): boolean =>
  cpu?.idle === 1 || unified?.["cpu.idle"] !== undefined || unified?.["memory.oom.group"] !== undefined;

const all = (value: number | undefined): boolean => value === undefined || value < 0;

/** `char-136`, `char-*`, `/dev/char/1:3`. A rule for one minor of all majors is more than asked for. */
function deviceNames({ type = "a", major, minor }: DeviceRule): string[] {
  const kinds = type === "a" ? ["char", "block"] : [type === "b" ? "block" : "char"];
  return kinds.map((kind) => {
    if (all(major)) return `${kind}-*`;
    return all(minor) ? `${kind}-${major}` : `/dev/${kind}/${major}:${minor}`;
  });
}

/**
 * systemd knows of devices that are allowed, and of none that are denied again. What it cannot be told is left to the
 * container's own rules, which hold beside systemd's: it may only allow too much.
 */
export function deviceProperties(given: readonly DeviceRule[] | undefined): Property[] {
  const rules = deviceRules(given);
  const everything = rules.some(({ allow, type = "a", major }) => allow && type === "a" && all(major));
  const allowed = everything
    ? []
    : rules
        .filter(({ allow }) => allow)
        .flatMap((rule) => deviceNames(rule).map((name) => [name, rule.access || "rwm"]));
  // Given to one that is there, the first empties its list.
  return [
    ["DeviceAllow", new Variant("a(ss)", [])],
    ["DevicePolicy", new Variant("s", everything ? "auto" : "strict")],
    ...(allowed.length > 0 ? [["DeviceAllow", new Variant("a(ss)", allowed)] satisfies Property] : []),
  ];
}
