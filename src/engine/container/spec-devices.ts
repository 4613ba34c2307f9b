/** Device nodes and device rules of a container's OCI configuration. */
import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { EngineError } from "../errors.ts";
import type { Device, DeviceRule } from "../runtime/spec.ts";
import type { DeviceMapping, HostConfig } from "./config.ts";

/** linux/kdev_t.h: the user-space encoding of dev_t. */
export const major = (rdev: number): number => Math.floor(rdev / 2 ** 8) % 2 ** 12;
export const minor = (rdev: number): number => (rdev % 2 ** 8) + Math.floor(rdev / 2 ** 20) * 2 ** 8;

const char = (major: number, minor: number, allow = true): DeviceRule => ({
  allow,
  type: "c",
  major,
  minor,
  access: "rwm",
});

const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: false, access: "rwm" },
  char(1, 5),
  char(1, 3),
  char(1, 9),
  char(1, 8),
  char(5, 0),
  char(5, 1),
  char(10, 229, false),
];

function deviceOf(path: string, stats: Stats): Device | undefined {
  const type = stats.isCharacterDevice()
    ? "c"
    : stats.isBlockDevice()
      ? "b"
      : stats.isFIFO()
        ? "p"
        : undefined;
  if (type === undefined) return undefined;
  return {
    type,
    path,
    major: type === "p" ? 0 : major(stats.rdev),
    minor: type === "p" ? 0 : minor(stats.rdev),
    fileMode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
  };
}

/** All devices below a folder of the host; what vanishes meanwhile is skipped. */
function devicesBelow(folder: string, skip: ReadonlySet<string>): Device[] {
  const found: Device[] = [];
  for (const name of readdirSync(folder)) {
    const path = `${folder}/${name}`;
    if (skip.has(path)) continue;
    try {
      const stats = lstatSync(path);
      if (stats.isDirectory()) found.push(...devicesBelow(path, skip));
      else {
        const device = stats.isFIFO() ? undefined : deviceOf(path, stats);
        if (device !== undefined) found.push(device);
      }
    } catch {
      // Unplugged between readdir and lstat.
    }
  }
  return found;
}

const NOT_THE_HOSTS = new Set([
  "/dev/pts",
  "/dev/shm",
  "/dev/fd",
  "/dev/mqueue",
  "/dev/console",
  "/dev/.udev",
  "/dev/.lxc",
  "/dev/.lxd-mounts",
]);

/** What a privileged container sees of the host's /dev. */
const hostDevices = (): Device[] => devicesBelow("/dev", NOT_THE_HOSTS);

function mappedDevices({ PathOnHost, PathInContainer }: DeviceMapping): Device[] {
  const target = PathInContainer || PathOnHost;
  const fail = (reason: string): EngineError =>
    new EngineError(
      "internal",
      `error gathering device information while adding custom device ${JSON.stringify(PathOnHost)}: ${reason}`,
    );
  let real: string;
  let stats: Stats;
  try {
    real = realpathSync(PathOnHost);
    stats = statSync(real);
  } catch (error) {
    throw fail(
      (error as { code?: string }).code === "ENOENT" ? "no such file or directory" : (error as Error).message,
    );
  }
  const device = deviceOf(target, stats);
  if (device !== undefined) return [device];
  const below = stats.isDirectory() ? devicesBelow(real, new Set()) : [];
  if (below.length === 0) throw fail("not a device node");
  return below.map((entry) => ({ ...entry, path: target + entry.path.slice(real.length) }));
}

const RULE = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/;

function parseRule(rule: string): DeviceRule {
  const match = RULE.exec(rule);
  if (!match) throw new EngineError("internal", `invalid device cgroup rule format: '${rule}'`);
  const number = (text: string): number => (text === "*" ? -1 : Number(text));
  return {
    allow: true,
    type: match[1]!,
    major: number(match[2]!),
    minor: number(match[3]!),
    access: match[4]!,
  };
}

export function specDevices(h: HostConfig): { devices: Device[]; rules: DeviceRule[] } {
  const mappings = h.Devices ?? [];
  if (h.Privileged) {
    const added = mappings.filter(
      ({ PathOnHost, PathInContainer }) => PathInContainer && PathInContainer !== PathOnHost,
    );
    return {
      devices: [...hostDevices(), ...added.flatMap(mappedDevices)],
      rules: [...DEFAULT_RULES, { allow: true, access: "rwm" }],
    };
  }
  const devices: Device[] = [];
  const rules: DeviceRule[] = [...DEFAULT_RULES];
  for (const mapping of mappings) {
    for (const device of mappedDevices(mapping)) {
      devices.push(device);
      rules.push({
        allow: true,
        type: device.type,
        major: device.major,
        minor: device.minor,
        access: mapping.CgroupPermissions || "rwm",
      });
    }
  }
  rules.push(...(h.DeviceCgroupRules ?? []).map(parseRule));
  return { devices, rules };
}
