/** Limits of a container's OCI configuration. */
import type { Resources, Rlimit } from "../runtime/spec.ts";
import { specBlockIo } from "./block-io.ts";
import type { HostConfig, Ulimit } from "./config.ts";
import type { Host } from "./host.ts";

/** Drops what is undefined, and the whole when nothing is left. */
function some<T extends object>(object: T): T | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? (Object.fromEntries(entries) as T) : undefined;
}

const positive = (value: number): number | undefined => (value > 0 ? value : undefined);
const nonZero = (value: number): number | undefined => (value !== 0 ? value : undefined);

export function specResources(h: HostConfig): Resources {
  const period = h.NanoCpus > 0 ? 100_000 : undefined;
  return {
    memory: some({
      limit: positive(h.Memory),
      reservation: positive(h.MemoryReservation),
      // -1 lifts the limit on swap; runc's default for an absent one is the same.
      swap: h.Memory > 0 && h.MemorySwap === -1 ? -1 : positive(h.MemorySwap),
      swappiness: h.MemorySwappiness ?? undefined,
      disableOOMKiller: h.OomKillDisable || undefined,
    }),
    cpu: some({
      shares: positive(h.CpuShares),
      period: nonZero(h.CpuPeriod) ?? period,
      quota: nonZero(h.CpuQuota) ?? (period && Math.trunc((h.NanoCpus * period) / 1e9)),
      cpus: h.CpusetCpus || undefined,
      mems: h.CpusetMems || undefined,
    }),
    pids: h.PidsLimit !== null ? { limit: h.PidsLimit } : undefined,
    blockIO: specBlockIo(h),
  };
}

/** What systemd gives every service, and so Docker 29 every container: more makes `select` and loops over all fail. */
const OPEN_FILES = 1024;

/**
 * `RLIMIT_…`; -1 is unlimited, which as Go's uint64 is 2^64-1. The daemon's own soft limit on open files is not
 * handed on: it is raised to the hard one when the program starts.
 */
export function specRlimits(
  ulimits: readonly Ulimit[] | null,
  { openFiles }: Pick<Host, "openFiles">,
): Rlimit[] {
  const value = (n: number): number => (n < 0 ? 2 ** 64 : n);
  const asked = (ulimits ?? []).map(({ Name, Soft, Hard }) => ({
    type: `RLIMIT_${Name.toUpperCase()}`,
    soft: value(Soft),
    hard: value(Hard),
  }));
  if (asked.some(({ type }) => type === "RLIMIT_NOFILE")) return asked;
  return [...asked, { type: "RLIMIT_NOFILE", soft: Math.min(OPEN_FILES, openFiles), hard: openFiles }];
}
