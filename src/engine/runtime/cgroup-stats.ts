/**
 * What a container has used, as its cgroups say: processors, memory, processes, block devices.
 * @source Documentation/admin-guide/cgroup-v1 (cpuacct, memory, pids, blkio-controller), cgroup-v2.rst
 */
import { readText } from "../../ffi/host.ts";
import { type Cgroup, folderOf, isUnified, unifiedFolder } from "./cgroup-layout.ts";

/** Nanoseconds, all three times. */
export interface CpuUsage {
  total: number;
  user: number;
  kernel: number;
  /** Version 1 alone tells them apart. */
  perCpu?: number[];
  periods: number;
  throttledPeriods: number;
  throttledTime: number;
}

/** Bytes. */
export interface MemoryUsage {
  usage: number;
  /** Version 1 alone remembers it. */
  maxUsage?: number;
  /** Infinity without one. */
  limit: number;
  /** How often it met its limit; in version 2, how often that was out of memory. */
  failures: number;
  /** `memory.stat` as it is; its fields differ between the versions. */
  stat: Record<string, number>;
}

export interface DeviceUsage {
  major: number;
  minor: number;
  /** `Read`, `Write`, …; empty where the file tells none apart. */
  op: string;
  value: number;
}

export interface CgroupUsage {
  version: 1 | 2;
  cpu?: CpuUsage;
  memory?: MemoryUsage;
  /** A limit of Infinity is none. */
  pids?: { current: number; limit: number };
  /** By what is counted: `io_service_bytes_recursive`, `io_serviced_recursive`, … */
  io?: Record<string, DeviceUsage[]>;
}

/** USER_HZ, which the kernel's interfaces keep at 100 on every architecture of ours. */
const TICK_NS = 10_000_000;
const MICROSECOND_NS = 1000;

type Folder = string;

function read(folder: Folder, file: string): string | undefined {
  try {
    return readText(`${folder}/${file}`);
  } catch {
    // Not of this kernel, or the container is gone: whoever asks looks whether it runs.
    return undefined;
  }
}

/** A file with one number, or `max`. */
function number(folder: Folder, file: string): number | undefined {
  const text = read(folder, file)?.trim();
  if (text === undefined || text === "") return undefined;
  return text === "max" ? Number.POSITIVE_INFINITY : Number(text);
}

/** A file of lines `key value`. */
export function parsePairs(text: string): Record<string, number> {
  const pairs: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) pairs[line.slice(0, space)] = Number(line.slice(space + 1));
  }
  return pairs;
}

const pairs = (folder: Folder, file: string): Record<string, number> | undefined => {
  const text = read(folder, file);
  return text === undefined ? undefined : parsePairs(text);
};

function cpuV1(account: Folder | undefined, cpu: Folder | undefined): CpuUsage | undefined {
  const total = account === undefined ? undefined : number(account, "cpuacct.usage");
  if (account === undefined || total === undefined) return undefined;
  const ticks = pairs(account, "cpuacct.stat") ?? {};
  const throttling = (cpu === undefined ? undefined : pairs(cpu, "cpu.stat")) ?? {};
  return {
    total,
    user: (ticks.user ?? 0) * TICK_NS,
    kernel: (ticks.system ?? 0) * TICK_NS,
    perCpu: read(account, "cpuacct.usage_percpu")?.trim().split(" ").map(Number),
    periods: throttling.nr_periods ?? 0,
    throttledPeriods: throttling.nr_throttled ?? 0,
    throttledTime: throttling.throttled_time ?? 0,
  };
}

function cpuV2(folder: Folder): CpuUsage | undefined {
  const stat = pairs(folder, "cpu.stat");
  if (stat === undefined) return undefined;
  const time = (key: string): number => (stat[key] ?? 0) * MICROSECOND_NS;
  return {
    total: time("usage_usec"),
    user: time("user_usec"),
    kernel: time("system_usec"),
    periods: stat.nr_periods ?? 0,
    throttledPeriods: stat.nr_throttled ?? 0,
    throttledTime: time("throttled_usec"),
  };
}

function memoryV1(folder: Folder): MemoryUsage | undefined {
  const usage = number(folder, "memory.usage_in_bytes");
  if (usage === undefined) return undefined;
  return {
    usage,
    maxUsage: number(folder, "memory.max_usage_in_bytes") ?? 0,
    limit: number(folder, "memory.limit_in_bytes") ?? Number.POSITIVE_INFINITY,
    failures: number(folder, "memory.failcnt") ?? 0,
    stat: pairs(folder, "memory.stat") ?? {},
  };
}

function memoryV2(folder: Folder): MemoryUsage | undefined {
  const usage = number(folder, "memory.current");
  if (usage === undefined) return undefined;
  return {
    usage,
    limit: number(folder, "memory.max") ?? Number.POSITIVE_INFINITY,
    failures: pairs(folder, "memory.events")?.oom ?? 0,
    stat: pairs(folder, "memory.stat") ?? {},
  };
}

function pidsOf(folder: Folder | undefined): CgroupUsage["pids"] {
  const current = folder === undefined ? undefined : number(folder, "pids.current");
  if (folder === undefined || current === undefined) return undefined;
  return { current, limit: number(folder, "pids.max") ?? Number.POSITIVE_INFINITY };
}

/** Lines like `8:0 Read 4096`, `8:0 7`, and the sum at the end, which is left out. */
export function parseDeviceUsage(text: string): DeviceUsage[] {
  const found: DeviceUsage[] = [];
  for (const line of text.split("\n")) {
    const [, major, minor, op, value] = /^(\d+):(\d+) (?:(\w+) )?(\d+)$/.exec(line) ?? [];
    if (value === undefined) continue;
    found.push({ major: Number(major), minor: Number(minor), op: op ?? "", value: Number(value) });
  }
  return found;
}

/** What is counted of block devices in version 1, below a cgroup and in it. */
export const RECURSIVE = [
  "io_service_bytes_recursive",
  "io_serviced_recursive",
  "io_queued_recursive",
  "io_service_time_recursive",
  "io_wait_time_recursive",
  "io_merged_recursive",
  "io_time_recursive",
  "sectors_recursive",
] as const;
/** The scheduler's own counts where it keeps them, those of throttling where it does not. */
const SCHEDULERS = ["blkio.", "blkio.bfq."];
const THROTTLE = ["io_service_bytes", "io_serviced"];

function ioV1(folder: Folder): Record<string, DeviceUsage[]> {
  const io: Record<string, DeviceUsage[]> = Object.fromEntries(RECURSIVE.map((name) => [name, []]));
  for (const scheduler of SCHEDULERS) {
    if (read(folder, `${scheduler}io_serviced_recursive`) === undefined) continue;
    for (const name of RECURSIVE) {
      // Of all the files only this one says "io" to Docker and not to the kernel.
      const file = name === "io_time_recursive" ? "time_recursive" : name;
      io[name] = parseDeviceUsage(read(folder, `${scheduler}${file}`) ?? "");
    }
    if (Object.values(io).some((entries) => entries.length > 0)) return io;
  }
  for (const name of THROTTLE) {
    const text =
      read(folder, `blkio.throttle.${name}_recursive`) ?? read(folder, `blkio.throttle.${name}`) ?? "";
    io[`${name}_recursive`] = parseDeviceUsage(text);
  }
  return io;
}

/** Lines like `8:0 rbytes=4096 wbytes=0 rios=1 …`. */
export function parseIoStat(text: string): DeviceUsage[] {
  const found: DeviceUsage[] = [];
  for (const line of text.split("\n")) {
    const [, major, minor, rest] = /^(\d+):(\d+)( .*)$/.exec(line) ?? [];
    if (rest === undefined) continue;
    const device = { major: Number(major), minor: Number(minor) };
    const bytes = (key: string): number => Number(new RegExp(` ${key}=(\\d+)`).exec(rest)?.[1] ?? 0);
    found.push({ ...device, op: "read", value: bytes("rbytes") });
    found.push({ ...device, op: "write", value: bytes("wbytes") });
  }
  return found;
}

/** What is not there to be read is left out. */
export function cgroupUsage(cgroup: Cgroup): CgroupUsage {
  if (isUnified(cgroup)) {
    const folder = unifiedFolder(cgroup)?.path;
    if (folder === undefined) return { version: 2 };
    const io = read(folder, "io.stat");
    return {
      version: 2,
      cpu: cpuV2(folder),
      memory: memoryV2(folder),
      pids: pidsOf(folder),
      ...(io !== undefined && { io: { io_service_bytes_recursive: parseIoStat(io) } }),
    };
  }
  const path = (controller: string): Folder | undefined => folderOf(cgroup, controller)?.path;
  const memory = path("memory");
  const blkio = path("blkio");
  return {
    version: 1,
    cpu: cpuV1(path("cpuacct"), path("cpu")),
    ...(memory !== undefined && { memory: memoryV1(memory) }),
    pids: pidsOf(path("pids")),
    ...(blkio !== undefined && { io: ioV1(blkio) }),
  };
}

/** The machine's own: processor time of all kinds but guests', in nanoseconds, and how many processors are online. */
export function systemCpu(stat: string = readText("/proc/stat")): { total: number; online: number } {
  let total = 0;
  let online = 0;
  for (const line of stat.split("\n")) {
    if (!line.startsWith("cpu")) break;
    const [name, ...ticks] = line.split(/ +/);
    if (name !== "cpu") online++;
    else total = ticks.slice(0, 7).reduce((sum, each) => sum + Number(each), 0) * TICK_NS;
  }
  return { total, online };
}
