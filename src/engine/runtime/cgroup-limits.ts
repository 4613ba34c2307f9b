/**
 * Resources of the specification as files of cgroups, in the order in which they have to be written.
 * @source config-linux.md "Control groups"; Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst
 */
import { EngineError } from "../errors.ts";
import type { Resources, ThrottleDevice } from "./spec.ts";

export interface Limit {
  /** The version 1 controller that has the file. */
  controller: string;
  file: string;
  value: string;
  /** BFQ's own file for a weight, and the weight there, in the specification's range: written instead where it is. */
  bfq?: { file: string; value: string };
}

const UNLIMITED = "-1";

/** Version 1. Memory before memory and swap: the second may never be below the first. */
export function limitsV1(resources: Resources): Limit[] {
  const limits: Limit[] = [];
  const add = (controller: string, file: string, value: number | string | undefined) => {
    if (value !== undefined && value !== 0 && value !== "")
      limits.push({ controller, file: `${controller}.${file}`, value: String(value) });
  };
  const weigh = (file: string, value: number | string) => {
    const bfq = { file: `blkio.bfq.${file}`, value: String(value) };
    limits.push({ controller: "blkio", file: `blkio.${file}`, value: String(value), bfq });
  };
  requireNumbers(resources);
  const { memory, cpu, pids, blockIO, network } = resources;
  for (const _ in resources.unified)
    throw new EngineError("invalid", "invalid configuration: cannot use unified on cgroup v1");
  requireShares(cpu?.shares ?? 0);
  add("memory", "limit_in_bytes", memory?.limit);
  const swap = memory?.swap || (memory?.limit === -1 ? UNLIMITED : undefined);
  add("memory", "memsw.limit_in_bytes", swap);
  add("memory", "soft_limit_in_bytes", memory?.reservation);
  add("memory", "kmem.tcp.limit_in_bytes", memory?.kernelTCP);
  if (memory?.disableOOMKiller) add("memory", "oom_control", "1");
  if (memory?.swappiness !== undefined && memory.swappiness >= 0)
    add("memory", "swappiness", String(memory.swappiness));
  add("cpu", "shares", cpu?.shares);
  add("cpu", "cfs_period_us", cpu?.period);
  if (cpu?.burst !== undefined) add("cpu", "cfs_burst_us", String(cpu.burst));
  add("cpu", "cfs_quota_us", cpu?.quota);
  add("cpu", "rt_period_us", cpu?.realtimePeriod);
  add("cpu", "rt_runtime_us", cpu?.realtimeRuntime);
  if (cpu?.idle !== undefined) add("cpu", "idle", String(cpu.idle));
  add("cpuset", "cpus", cpu?.cpus);
  add("cpuset", "mems", cpu?.mems);
  if (pids && pids.limit !== 0) add("pids", "max", pids.limit > 0 ? pids.limit : "max");
  if (blockIO?.weight) weigh("weight", blockIO.weight);
  add("blkio", "leaf_weight", blockIO?.leafWeight);
  for (const device of blockIO?.weightDevice ?? [])
    weigh("weight_device", `${device.major}:${device.minor} ${device.weight ?? 0}`);
  const throttle = (file: string, devices?: ThrottleDevice[]) => {
    for (const { major, minor, rate } of devices ?? []) add("blkio", file, `${major}:${minor} ${rate}`);
  };
  throttle("throttle.read_bps_device", blockIO?.throttleReadBpsDevice);
  throttle("throttle.write_bps_device", blockIO?.throttleWriteBpsDevice);
  throttle("throttle.read_iops_device", blockIO?.throttleReadIOPSDevice);
  throttle("throttle.write_iops_device", blockIO?.throttleWriteIOPSDevice);
  for (const { pageSize, limit } of resources.hugepageLimits ?? [])
    add("hugetlb", `${pageSize}.limit_in_bytes`, String(limit));
  add("net_cls", "classid", network?.classID);
  for (const { name, priority } of network?.priorities ?? [])
    add("net_prio", "ifpriomap", `${name} ${priority}`);
  return limits;
}

/** Version 2; controllers are named as there. */
export function limitsV2(resources: Resources): Limit[] {
  const limits: Limit[] = [];
  const add = (file: string, value: number | string | undefined) => {
    if (value !== undefined && value !== "")
      limits.push({ controller: file.split(".")[0] ?? "", file, value: String(value) });
  };
  requireNumbers(resources);
  const { memory, cpu, pids, blockIO } = resources;
  add("memory.max", orMax(memory?.limit));
  add("memory.swap.max", swapOnly(memory?.limit, memory?.swap));
  add("memory.low", orMax(memory?.reservation));
  if (cpu?.shares) add("cpu.weight", cpuWeight(cpu.shares));
  if (cpu?.quota || cpu?.period)
    add("cpu.max", `${cpu.quota && cpu.quota > 0 ? cpu.quota : "max"} ${cpu.period || 100_000}`);
  add("cpu.max.burst", cpu?.burst);
  add("cpu.idle", cpu?.idle);
  add("cpuset.cpus", cpu?.cpus);
  add("cpuset.mems", cpu?.mems);
  if (pids && pids.limit !== 0) add("pids.max", pids.limit > 0 ? pids.limit : "max");
  if (blockIO?.weight) {
    const bfq = { file: "io.bfq.weight", value: String(blockIO.weight) };
    const value = `default ${ioWeight(blockIO.weight)}`;
    limits.push({ controller: "io", file: "io.weight", value, bfq });
  }
  const throttle = (key: string, devices?: ThrottleDevice[]) => {
    for (const { major, minor, rate } of devices ?? [])
      add("io.max", `${major}:${minor} ${key}=${rate || "max"}`);
  };
  throttle("rbps", blockIO?.throttleReadBpsDevice);
  throttle("wbps", blockIO?.throttleWriteBpsDevice);
  throttle("riops", blockIO?.throttleReadIOPSDevice);
  throttle("wiops", blockIO?.throttleWriteIOPSDevice);
  for (const { pageSize, limit } of resources.hugepageLimits ?? [])
    add(`hugetlb.${pageSize}.max`, String(limit));
  for (const [file, value] of Object.entries(resources.unified ?? {})) add(file, value);
  return limits;
}

/** The kernel would read "64m" as well, and no number of processes is no limit. */
function requireNumbers({ memory, cpu, pids }: Resources): void {
  for (const group of [memory, cpu, pids]) {
    for (const [name, value] of Object.entries(group ?? {})) {
      if (typeof value === "string" && name !== "cpus" && name !== "mems")
        throw new EngineError("invalid", `${name} is ${JSON.stringify(value)}, which is no number`);
    }
  }
}

/** Version 1's kernel takes the nearest that it has, without a word. */
function requireShares(shares: number): void {
  if (shares === 1) throw new EngineError("invalid", "the minimum allowed cpu-shares is 2");
  if (shares > 262_144) throw new EngineError("invalid", "the maximum allowed cpu-shares is 262144");
}

const orMax = (value: number | undefined): string | undefined => {
  if (value === undefined || value === 0) return undefined;
  return value < 0 ? "max" : String(value);
};

/** The specification's swap counts memory, too; version 2 has swap alone. */
function swapOnly(limit: number | undefined, swap: number | undefined): string | undefined {
  if (!swap) return undefined;
  if (swap < 0) return "max";
  return limit && limit > 0 ? String(Math.max(0, swap - limit)) : undefined;
}

/** 2 to 262144 onto 1 to 10000 so that 1024, everybody's default, becomes 100: runc's curve since 1.3.2. */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

/** 10 to 1000 onto 1 to 10000. */
const ioWeight = (weight: number): number => Math.floor(1 + ((weight - 10) * 9999) / 990);
