/**
 * What a container uses, in the form of `runc events`: its readers know the names and the units.
 * @source runc's types/events.go
 */
import { type Cgroup, folderOf, isUnified, unifiedFolder } from "../../engine/runtime/cgroup-layout.ts";
import { cgroupUsage, type DeviceUsage, parsePairs } from "../../engine/runtime/cgroup-stats.ts";
import { readText } from "../../ffi/host.ts";

/** A file of a cgroup; nothing where the kernel or the hierarchy has none. */
function read(folder: string | undefined, file: string): string | undefined {
  try {
    return folder === undefined ? undefined : readText(`${folder}/${file}`).trim();
  } catch {
    return undefined;
  }
}

function number(folder: string | undefined, file: string): number | undefined {
  const text = read(folder, file);
  if (!text) return undefined;
  return text === "max" ? Number.POSITIVE_INFINITY : Number(text);
}

type Numbers = Record<string, number | undefined>;

/** Go's omitempty. */
const nonZero = (of: Numbers): Numbers => Object.fromEntries(Object.entries(of).filter(([, value]) => value));

const some = <T>(name: string, list: readonly T[] | undefined): Record<string, readonly T[]> =>
  list && list.length > 0 ? { [name]: list } : {};

/** The columns of `cpuacct.usage_all`: processor, user, system. */
function perCpuModes(folder: string | undefined): { user: number[]; kernel: number[] } {
  const lines = read(folder, "cpuacct.usage_all")?.split("\n").slice(1) ?? [];
  const rows = lines.map((line) => line.split(" ").map(Number));
  return { user: rows.map(([, user = 0]) => user), kernel: rows.map(([, , kernel = 0]) => kernel) };
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and `full` likewise. */
export function parsePressure(text: string): object {
  const lines = text.split("\n").map((line) => {
    const [name = "", ...fields] = line.split(" ");
    const pairs = fields.map((field) => field.split("=") as [string, string]);
    return [name, Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)]))] as const;
  });
  return Object.fromEntries(lines.filter(([name]) => name !== ""));
}

function pressure(folder: string | undefined, of: "cpu" | "memory" | "io"): object {
  const text = read(folder, `${of}.pressure`);
  return text ? { psi: parsePressure(text) } : {};
}

/** `0-1,4` as numbers. */
export function parseList(text: string): number[] {
  return text
    .split(",")
    .filter(Boolean)
    .flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

const CPUSET = [
  "cpu_exclusive",
  "mem_hardwall",
  "mem_exclusive",
  "memory_migrate",
  "memory_spread_page",
  "memory_spread_slab",
  "memory_pressure",
  "sched_load_balance",
  "sched_relax_domain_level",
] as const;

/** Version 2 says none of it. */
function cpusetOf(folder: string | undefined): object {
  return {
    ...some("cpus", parseList(read(folder, "cpuset.cpus") ?? "")),
    ...some("mems", parseList(read(folder, "cpuset.mems") ?? "")),
    ...Object.fromEntries(CPUSET.map((name) => [name, number(folder, `cpuset.${name}`) ?? 0])),
  };
}

interface Entry {
  limit: number;
  usage?: number;
  max?: number;
  failcnt: number;
}

const entry = ({ limit, usage, max, failcnt }: Entry): object => ({
  limit,
  ...nonZero({ usage, max }),
  failcnt,
});

/** `kind`: `` for memory, `memsw.`, `kmem.`, … */
function entryV1(folder: string | undefined, kind: string): object {
  const of = (name: string): number => number(folder, `memory.${kind}${name}`) ?? 0;
  const [limit, usage, max, failcnt] = [
    of("limit_in_bytes"),
    of("usage_in_bytes"),
    of("max_usage_in_bytes"),
    of("failcnt"),
  ];
  return entry({ limit, usage, max, failcnt });
}

/** Memory and swap together, as version 1 counts them. */
function swapV2(folder: string, memory: { usage: number; limit: number }): Entry {
  const usage = number(folder, "memory.swap.current");
  const limit = number(folder, "memory.swap.max") ?? 0;
  return { limit: limit + memory.limit, usage: (usage ?? 0) + memory.usage, failcnt: 0 };
}

function memoryOf(cgroup: Cgroup, { memory }: ReturnType<typeof cgroupUsage>): object {
  if (!isUnified(cgroup)) {
    const folder = folderOf(cgroup, "memory")?.path;
    return {
      ...nonZero({ cache: memory?.stat.cache }),
      usage: entryV1(folder, ""),
      swap: entryV1(folder, "memsw."),
      kernel: entryV1(folder, "kmem."),
      kernelTCP: entryV1(folder, "kmem.tcp."),
      raw: memory?.stat ?? {},
    };
  }
  const folder = unifiedFolder(cgroup)?.path;
  if (folder === undefined || memory === undefined) return {};
  const { usage, limit, stat } = memory;
  const none = { limit: 0, failcnt: 0 };
  return {
    ...nonZero({ cache: stat.file }),
    usage: entry({ limit, usage, max: number(folder, "memory.peak") ?? 0, failcnt: 0 }),
    swap: entry(swapV2(folder, { usage, limit })),
    kernel: none,
    kernelTCP: none,
    raw: stat,
    ...pressure(folder, "memory"),
  };
}

/** Our names and runc's; one of them is not like the others. */
const BLKIO = {
  io_service_bytes_recursive: "ioServiceBytesRecursive",
  io_serviced_recursive: "ioServicedRecursive",
  io_queued_recursive: "ioQueueRecursive",
  io_service_time_recursive: "ioServiceTimeRecursive",
  io_wait_time_recursive: "ioWaitTimeRecursive",
  io_merged_recursive: "ioMergedRecursive",
  io_time_recursive: "ioTimeRecursive",
  sectors_recursive: "sectorsRecursive",
} as const;

function blkioOf(io: Record<string, DeviceUsage[]>): object {
  const rows = (list: DeviceUsage[] = []) =>
    list.map(({ major, minor, op, value }) => ({
      ...nonZero({ major, minor }),
      ...(op && { op: op[0]!.toUpperCase() + op.slice(1) }),
      ...nonZero({ value }),
    }));
  return Object.assign({}, ...Object.entries(BLKIO).map(([ours, theirs]) => some(theirs, rows(io[ours]))));
}

/** Version 2's `io.stat` counts requests, too. */
export function parseIoRequests(text: string): DeviceUsage[] {
  return text.split("\n").flatMap((line) => {
    const [, major, minor, rest = ""] = /^(\d+):(\d+)( .*)$/.exec(line) ?? [];
    if (major === undefined) return [];
    const count = (key: string): number => Number(new RegExp(` ${key}=(\\d+)`).exec(rest)?.[1] ?? 0);
    const device = { major: Number(major), minor: Number(minor) };
    return [
      { ...device, op: "read", value: count("rios") },
      { ...device, op: "write", value: count("wios") },
    ];
  });
}

/** Of every size of huge pages that the cgroup knows. */
async function hugetlbOf(cgroup: Cgroup): Promise<object> {
  const unified = isUnified(cgroup);
  const folder = unified ? unifiedFolder(cgroup)?.path : folderOf(cgroup, "hugetlb")?.path;
  if (folder === undefined) return {};
  const { readdirSync } = await import("node:fs");
  const suffix = unified ? ".current" : ".usage_in_bytes";
  const sizes = readdirSync(folder).flatMap((name) => {
    const middle = name.startsWith("hugetlb.") && name.endsWith(suffix) ? name.slice(8, -suffix.length) : "";
    return /^\w+$/.test(middle) ? [middle] : [];
  });
  return Object.fromEntries(
    sizes.map((size) => {
      const of = (name: string): number | undefined =>
        number(folder, `hugetlb.${size}.rsvd${name}`) ?? number(folder, `hugetlb.${size}${name}`);
      const events = parsePairs(read(folder, `hugetlb.${size}.events`) ?? "");
      return [
        size,
        unified
          ? { ...nonZero({ usage: of(".current") }), failcnt: events.max ?? 0 }
          : {
              ...nonZero({ usage: of(".usage_in_bytes"), max: of(".max_usage_in_bytes") }),
              failcnt: of(".failcnt") ?? 0,
            },
      ];
    }),
  );
}

export async function statsOf(cgroup: Cgroup): Promise<object> {
  const usage = cgroupUsage(cgroup);
  const { cpu, pids, io = {} } = usage;
  const unified = isUnified(cgroup) ? unifiedFolder(cgroup)?.path : undefined;
  const modes = perCpuModes(folderOf(cgroup, "cpuacct")?.path);
  const requests: Record<string, DeviceUsage[]> =
    unified === undefined ? {} : { io_serviced_recursive: parseIoRequests(read(unified, "io.stat") ?? "") };
  return {
    cpu: {
      usage: {
        ...nonZero({ total: cpu?.total }),
        ...some("percpu", cpu?.perCpu),
        ...some("percpu_kernel", modes.kernel),
        ...some("percpu_user", modes.user),
        kernel: cpu?.kernel ?? 0,
        user: cpu?.user ?? 0,
      },
      throttling: nonZero({
        periods: cpu?.periods,
        throttledPeriods: cpu?.throttledPeriods,
        throttledTime: cpu?.throttledTime,
      }),
      ...pressure(unified, "cpu"),
    },
    cpuset: cpusetOf(folderOf(cgroup, "cpuset")?.path),
    memory: memoryOf(cgroup, usage),
    pids: nonZero({ current: pids?.current, limit: Number.isFinite(pids?.limit) ? pids?.limit : 0 }),
    blkio: { ...blkioOf({ ...io, ...requests }), ...pressure(unified, "io") },
    hugetlb: await hugetlbOf(cgroup),
    intel_rdt: {},
    network_interfaces: null,
  };
}

/** How many processes the kernel has killed in the cgroup for want of memory. */
export function oomKills(cgroup: Cgroup): number {
  const text = isUnified(cgroup)
    ? read(unifiedFolder(cgroup)?.path, "memory.events")
    : read(folderOf(cgroup, "memory")?.path, "memory.oom_control");
  return parsePairs(text ?? "").oom_kill ?? 0;
}
