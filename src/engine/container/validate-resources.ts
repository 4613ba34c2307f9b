/** Checks and adjusts limits, in Docker's order and words. Throws plain errors: create and start give them their kind. */
import { validateBlockIo } from "./block-io.ts";
import type { HostConfig } from "./config.ts";
import { type Host, parseList } from "./host.ts";

/** Below this a container cannot even start. */
const MINIMUM_MEMORY = 6 * 1024 * 1024;

/** What version 2 of cgroups has no file for. */
function discardV1Only(h: HostConfig): string[] {
  const warnings: string[] = [];
  if (h.MemorySwappiness !== null) {
    warnings.push(
      "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    );
    h.MemorySwappiness = null;
  }
  if (h.OomKillDisable)
    warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
  h.OomKillDisable = null;
  return warnings;
}

function checkMemory(h: HostConfig, host: Host, update: boolean): string[] {
  const warnings: string[] = host.cgroup === "v2" ? discardV1Only(h) : [];
  if (h.Memory !== 0 && h.Memory < MINIMUM_MEMORY) throw new Error("Minimum memory limit allowed is 6MB");
  if (h.Memory > 0 && h.MemorySwap > 0 && h.MemorySwap < h.Memory) {
    throw new Error("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (h.Memory === 0 && h.MemorySwap > 0 && !update) {
    throw new Error("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (h.MemorySwappiness !== null && (h.MemorySwappiness < 0 || h.MemorySwappiness > 100)) {
    throw new Error(`Invalid value: ${h.MemorySwappiness}, valid memory swappiness range is 0-100`);
  }
  if (h.MemoryReservation > 0 && h.MemoryReservation < MINIMUM_MEMORY) {
    throw new Error("Minimum memory reservation allowed is 6MB");
  }
  if (h.Memory > 0 && h.MemoryReservation > 0 && h.Memory < h.MemoryReservation) {
    throw new Error("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  if (h.OomKillDisable && h.Memory === 0) {
    warnings.push(
      "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
  }
  return warnings;
}

function checkCpu(h: HostConfig, host: Host): string[] {
  const warnings: string[] = [];
  if (h.NanoCpus > 0 && h.CpuPeriod > 0)
    throw new Error("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (h.NanoCpus > 0 && h.CpuQuota > 0)
    throw new Error("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (h.NanoCpus < 0 || h.NanoCpus > host.cpus * 1e9) {
    throw new Error(
      `range of CPUs is from 0.01 to ${host.cpus}.00, as there are only ${host.cpus} CPUs available`,
    );
  }
  if (h.CpuPeriod !== 0 && (h.CpuPeriod < 1000 || h.CpuPeriod > 1_000_000)) {
    throw new Error("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (h.CpuQuota > 0 && h.CpuQuota < 1000)
    throw new Error("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (h.CpuShares < 0)
    throw new Error(`invalid CPU shares (${h.CpuShares}): value must be a positive integer`);
  if (h.CpuPercent > 0) {
    warnings.push("linux does not support CPU percent. Percent discarded.");
    h.CpuPercent = 0;
  }
  if (h.IOMaximumBandwidth !== 0)
    throw new Error("invalid option: QoS maximum bandwidth configuration is not supported on linux");
  if (h.IOMaximumIOps !== 0)
    throw new Error("invalid option: QoS maximum IOPs configuration is not supported on linux");
  return warnings;
}

function checkCpuset(wanted: string, available: string, what: string, noun: string): void {
  if (wanted === "") return;
  let list: number[];
  try {
    list = parseList(wanted);
  } catch (error) {
    throw new Error(`Invalid value ${wanted} for cpuset ${what}: ${(error as Error).message}`);
  }
  const present = new Set(parseList(available));
  if (!list.every((n) => present.has(n))) {
    throw new Error(`Requested ${noun} are not available - requested ${wanted}, available: ${available}`);
  }
}

/** Returns warnings for the client. With `update`, a limit that is not given may be set already. */
export function validateResources(h: HostConfig, host: Host, { update = false } = {}): string[] {
  const warnings = [...checkMemory(h, host, update), ...checkCpu(h, host)];
  checkCpuset(h.CpusetCpus, host.cpusetCpus, "cpus", "CPUs");
  checkCpuset(h.CpusetMems, host.cpusetMems, "mems", "memory nodes");
  return [...warnings, ...validateBlockIo(h, host)];
}
