/** What a container uses, as `stats` shows it. */

import { TYPE } from "../../../engine/template/values.ts";
import type { Row } from "../format.ts";
import { bytesSize, humanSize, shortId } from "../units.ts";

interface CpuStats {
  readonly cpu_usage: { readonly total_usage: number; readonly percpu_usage?: readonly number[] };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

/** One sample, as far as it is looked at. */
export interface Sample {
  readonly id: string;
  readonly name: string;
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
  readonly memory_stats: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  readonly pids_stats: { readonly current?: number };
  readonly blkio_stats: {
    readonly io_service_bytes_recursive: readonly { readonly op: string; readonly value: number }[] | null;
  };
}

export interface StatsEntry {
  /** As the user named it. */
  readonly container: string;
  readonly sample?: Sample;
  /** No sample came, or none for a while. */
  readonly invalid: boolean;
}

export const HEADERS: Readonly<Record<string, string>> = {
  Container: "CONTAINER",
  Name: "NAME",
  ID: "CONTAINER ID",
  CPUPerc: "CPU %",
  MemUsage: "MEM USAGE / LIMIT",
  MemPerc: "MEM %",
  NetIO: "NET I/O",
  BlockIO: "BLOCK I/O",
  PIDs: "PIDS",
};

export const TABLE =
  "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

const NONE = "--";

/** Of one processor: two that are busy are 200. */
function cpuPercent({ cpu_stats: now, precpu_stats: before }: Sample): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || (now.cpu_usage.percpu_usage?.length ?? 0);
  return used > 0 && passed > 0 ? (used / passed) * cpus * 100 : 0;
}

/** Without the page cache that the kernel would give up at once. */
function memoryUsed({ memory_stats: { usage = 0, stats = {} } }: Sample): number {
  const cache = [stats.total_inactive_file, stats.inactive_file].find(
    (value) => value !== undefined && value < usage,
  );
  return usage - (cache ?? 0);
}

function networkBytes({ networks }: Sample): [received: number, sent: number] {
  const all = Object.values(networks ?? {});
  return [
    all.reduce((sum, { rx_bytes }) => sum + rx_bytes, 0),
    all.reduce((sum, { tx_bytes }) => sum + tx_bytes, 0),
  ];
}

function blockBytes({ blkio_stats }: Sample): [read: number, written: number] {
  const sum = (letter: string): number =>
    (blkio_stats.io_service_bytes_recursive ?? [])
      .filter(({ op }) => op.toLowerCase().startsWith(letter))
      .reduce((total, { value }) => total + value, 0);
  return [sum("r"), sum("w")];
}

const percent = (value: number): string => `${value.toFixed(2)}%`;
const both = (pair: readonly number[], show: (size: number) => string): string => pair.map(show).join(" / ");
const short = (size: number): string => humanSize(size, 3);

function values(sample: Sample): Record<string, string> {
  const limit = sample.memory_stats.limit ?? 0;
  const used = memoryUsed(sample);
  return {
    CPUPerc: percent(cpuPercent(sample)),
    MemUsage: both([used, limit], bytesSize),
    MemPerc: percent(limit === 0 ? 0 : (used / limit) * 100),
    NetIO: both(networkBytes(sample), short),
    BlockIO: both(blockBytes(sample), short),
    PIDs: String(sample.pids_stats.current ?? 0),
  };
}

const INVALID = {
  CPUPerc: NONE,
  MemUsage: `${NONE} / ${NONE}`,
  MemPerc: NONE,
  NetIO: NONE,
  BlockIO: NONE,
  PIDs: NONE,
};

export function statsRow({ container, sample, invalid }: StatsEntry, full: boolean): Row {
  const id = sample?.id ?? "";
  return {
    [TYPE]: "*container.statsContext",
    Container: container,
    ID: full ? id : shortId(id),
    Name: sample?.name.replace(/^\//, "") || NONE,
    ...(sample === undefined || invalid ? INVALID : values(sample)),
  };
}
