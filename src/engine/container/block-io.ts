/** `--blkio-weight`, `--device-read-bps` and their like: what a host has no file for is discarded, with a warning. */
import { statSync } from "node:fs";
import { errnoMessage } from "../../ffi/errno.ts";
import type { Resources, ThrottleDevice } from "../runtime/spec.ts";
import type { HostConfig } from "./config.ts";
import type { Host } from "./host.ts";
import { major, minor } from "./spec-devices.ts";

/** Fields that are lists, the file of version 1 that each needs, and Docker's words where it is missing. */
const LISTS = [
  ["BlkioWeightDevice", "weight_device", "Block I/O weight_device", "Weight-device"],
  ["BlkioDeviceReadBps", "throttle.read_bps_device", "BPS Block I/O read limit", "Block I/O BPS read limit"],
  [
    "BlkioDeviceWriteBps",
    "throttle.write_bps_device",
    "BPS Block I/O write limit",
    "Block I/O BPS write limit",
  ],
  ["BlkioDeviceReadIOps", "throttle.read_iops_device", "IOPS Block read limit", "Block I/O IOPS read limit"],
  [
    "BlkioDeviceWriteIOps",
    "throttle.write_iops_device",
    "IOPS Block write limit",
    "Block I/O IOPS write limit",
  ],
] as const;

const discarded = (what: string, noun: string): string =>
  `Your kernel does not support ${what} or the cgroup is not mounted. ${noun} discarded.`;

/** Returns warnings for the client. @throws Error in Docker's words */
export function validateBlockIo(h: HostConfig, host: Host): string[] {
  const warnings: string[] = [];
  if (h.BlkioWeight > 0 && !host.limitsBlockIo("weight")) {
    warnings.push(discarded("Block I/O weight", "Weight"));
    h.BlkioWeight = 0;
  }
  if (h.BlkioWeight > 0 && (h.BlkioWeight < 10 || h.BlkioWeight > 1000))
    throw new Error("Range of blkio weight is from 10 to 1000");
  for (const [field, file, what, noun] of LISTS) {
    if (!h[field]?.length || host.limitsBlockIo(file)) continue;
    warnings.push(discarded(what, noun));
    h[field] = [];
  }
  return warnings;
}

function numbersOf(path: string): { major: number; minor: number } {
  try {
    const { rdev } = statSync(path);
    return { major: major(rdev), minor: minor(rdev) };
  } catch (error) {
    throw new Error(`stat ${path}: ${errnoMessage(-((error as NodeJS.ErrnoException).errno ?? 0))}`, {
      cause: error,
    });
  }
}

const throttle = (devices: HostConfig["BlkioDeviceReadBps"]): ThrottleDevice[] | undefined =>
  devices?.map(({ Path, Rate }) => ({ ...numbersOf(Path), rate: Rate }));

/** Undefined where nothing is asked for. @throws Error as Go says that there is no such device */
export function specBlockIo(h: HostConfig): Resources["blockIO"] {
  if (h.BlkioWeight === 0 && !LISTS.some(([field]) => h[field]?.length)) return undefined;
  return {
    weight: h.BlkioWeight || undefined,
    weightDevice: h.BlkioWeightDevice?.map(({ Path, Weight }) => ({ ...numbersOf(Path), weight: Weight })),
    throttleReadBpsDevice: throttle(h.BlkioDeviceReadBps),
    throttleWriteBpsDevice: throttle(h.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: throttle(h.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: throttle(h.BlkioDeviceWriteIOps),
  };
}
