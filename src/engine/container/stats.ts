/** GET /containers/NAME/stats: what a container uses, once or every second. */
import { totalmem } from "node:os";
import { readText } from "../../ffi/host.ts";
import { nowNs } from "../log/time.ts";
import { cgroupOf, detectCgroups } from "../runtime/cgroup-layout.ts";
import {
  type CgroupUsage,
  type CpuUsage,
  cgroupUsage,
  RECURSIVE,
  systemCpu,
} from "../runtime/cgroup-stats.ts";
import type { ContainerStats, CpuStats, StatsOptions } from "../services.ts";
import type { Container } from "./container.ts";
import type { ContainerContext } from "./context.ts";
import { isProcessOf } from "./process.ts";
import { cgroupsPathOf } from "./spec.ts";
import { isRunning, NEVER, timeOf } from "./state.ts";
import { MEMORY_FIELDS_V1, MEMORY_FIELDS_V2 } from "./stats-fields.ts";

const INTERVAL_MS = 1000;

const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** What Docker leaves out of the JSON when it is zero. */
function nonZero<T extends Record<string, unknown>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== 0)) as Partial<T>;
}

function cpuStats(cpu: CpuUsage | undefined): CpuStats {
  if (cpu === undefined) return NO_CPU;
  const system = systemCpu();
  return {
    cpu_usage: {
      total_usage: cpu.total,
      ...(cpu.perCpu?.length && { percpu_usage: cpu.perCpu }),
      usage_in_kernelmode: cpu.kernel,
      usage_in_usermode: cpu.user,
    },
    system_cpu_usage: system.total,
    online_cpus: system.online,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledTime,
    },
  };
}

function memoryStats({ version, memory }: CgroupUsage): object {
  if (memory === undefined) return {};
  const fields = version === 1 ? MEMORY_FIELDS_V1 : MEMORY_FIELDS_V2;
  return {
    ...nonZero({ usage: memory.usage, max_usage: memory.maxUsage ?? 0 }),
    stats: Object.fromEntries(fields.map((name) => [name, memory.stat[name] ?? 0])),
    // Without a limit of its own, the machine's memory is the limit.
    ...nonZero({ failcnt: memory.failures, limit: Math.min(memory.limit, totalmem()) }),
  };
}

/** A number that JavaScript has no value for, as JSON. */
const rawJson = (JSON as unknown as { rawJSON(text: string): object }).rawJSON;

/** Version 2 says "max", which Docker shows as the largest number that it has. */
function pidsStats({ version, pids }: CgroupUsage): object {
  if (pids === undefined) return {};
  const unlimited = version === 2 ? rawJson("18446744073709551615") : 0;
  return nonZero({ current: pids.current, limit: Number.isFinite(pids.limit) ? pids.limit : unlimited });
}

function blkioStats(io: CgroupUsage["io"]): object {
  // Docker's word for the one is not the kernel's.
  const field = (name: string) => (name === "io_queued_recursive" ? "io_queue_recursive" : name);
  return Object.fromEntries(RECURSIVE.map((name) => [field(name), io?.[name] ?? null]));
}

const NETWORK_FIELDS = ["bytes", "packets", "errors", "dropped"] as const;

/** A process's `net/dev`, without its loopback: for each interface, what came in (words 0 to 3) and went out (8 to 11). */
export function networkStats(text: string): object {
  const networks: Record<string, object> = {};
  for (const line of text.split("\n")) {
    const [, name, rest] = /^\s*([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined || name === "lo") continue;
    const words = rest.split(/\s+/).map(Number);
    const counts = (way: "rx" | "tx", from: number) =>
      NETWORK_FIELDS.map((field, at) => [`${way}_${field}`, words[from + at] ?? 0]);
    networks[name] = Object.fromEntries([...counts("rx", 0), ...counts("tx", 8)]);
  }
  return Object.keys(networks).length > 0 ? { networks } : {};
}

/** Nothing of the host's own interfaces, and of a process that is gone. */
function networksOf({ id, record, state }: Container): object {
  if (record.hostConfig.NetworkMode === "host") return {};
  try {
    const text = readText(`/proc/${state.pid}/net/dev`);
    return isProcessOf(state.pid, id) ? networkStats(text) : {};
  } catch {
    return {};
  }
}

interface Sample {
  read: string;
  cpu: CpuStats;
  /** What follows `cpu_stats`. */
  rest: object;
}

const NOTHING: Sample = {
  read: NEVER,
  cpu: NO_CPU,
  rest: { memory_stats: {}, pids_stats: {}, blkio_stats: blkioStats(undefined) },
};

function sample(container: Container): Sample {
  if (!isRunning(container.state)) return NOTHING;
  const path = cgroupsPathOf(container.id, container.record.hostConfig);
  const usage = cgroupUsage(cgroupOf(detectCgroups(), path, container.id));
  return {
    read: timeOf(nowNs()),
    cpu: cpuStats(usage.cpu),
    rest: {
      memory_stats: memoryStats(usage),
      ...networksOf(container),
      pids_stats: pidsStats(usage),
      blkio_stats: blkioStats(usage.io),
    },
  };
}

function answer(container: Container, { read, cpu, rest }: Sample, previous: Sample): ContainerStats {
  return {
    id: container.id,
    name: container.name,
    os_type: "linux",
    read,
    cpu_stats: cpu,
    ...rest,
    num_procs: 0,
    storage_stats: {},
    preread: previous.read,
    precpu_stats: previous.cpu,
  };
}

/** False when the client has gone, or the container has been removed. */
async function nextSecond(container: Container, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), INTERVAL_MS);
  try {
    await container.until(() => container.removed, AbortSignal.any([signal, over.signal]));
    return false;
  } catch {
    return !signal.aborted;
  } finally {
    clearTimeout(timer);
  }
}

async function* samples(container: Container, options: StatsOptions): AsyncGenerator<ContainerStats> {
  let previous = NOTHING;
  if (!options.stream) {
    if (!isRunning(container.state) || options.oneShot) {
      yield answer(container, sample(container), previous);
      return;
    }
    previous = sample(container);
    if (!(await nextSecond(container, options.signal))) return;
  }
  for (;;) {
    const current = sample(container);
    yield answer(container, current, previous);
    if (!options.stream || !(await nextSecond(container, options.signal))) return;
    previous = current;
  }
}

/** @throws EngineError notFound, before anything is sent */
export function stats(
  ctx: ContainerContext,
  name: string,
  options: StatsOptions,
): AsyncIterable<ContainerStats> {
  return samples(ctx.store.find(name), options);
}
