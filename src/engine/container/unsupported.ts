/**
 * What the API knows and this engine cannot do yet. Each is refused with 501 and the flag's name: a setting without
 * effect is never accepted and then shown by inspect.
 */
import { EngineError } from "../errors.ts";
import type { ContainerConfig, HostConfig } from "./config.ts";
import type { Host } from "./host.ts";
import { parseBind } from "./mount-points.ts";
import { asksForLabel, asksForProfile, parseSecurityOpt } from "./security-opt.ts";

const some = (list: readonly unknown[] | null | undefined): boolean => (list?.length ?? 0) > 0;
const someKey = (object: object | null | undefined): boolean => Object.keys(object ?? {}).length > 0;

/** Docker's own, but for ours. */
const OTHER_LOG_DRIVERS = new Set(
  "awslogs etwlogs fluentd gcplogs gelf journald local splunk syslog".split(" "),
);

type Check = readonly [flag: string, used: boolean];

/** Most often somebody who meant a folder: that is a mistake whether or not there are named volumes. */
function checkVolumeName(name: string): void {
  const reason =
    name.length === 1
      ? "volume name is too short, names should be at least two alphanumeric characters"
      : `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`;
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return;
  throw new EngineError("invalid", `create ${name}: ${reason}`);
}

function storageChecks(h: HostConfig): Check[] {
  const volumes = h.Mounts?.filter((mount) => mount.Type === "volume") ?? [];
  // A bad word is reported where binds are parsed, in its turn.
  const names = (h.Binds ?? []).flatMap((bind) => {
    try {
      return parseBind(bind).name ?? [];
    } catch {
      return [];
    }
  });
  names.forEach(checkVolumeName);
  return [
    ["-v NAME:PATH (named volumes)", some(names)],
    ["--mount type=volume,source=NAME", volumes.some((mount) => mount.Source)],
    [
      "--mount volume-driver, volume-opt",
      volumes.some(
        (mount) =>
          mount.VolumeOptions?.DriverConfig?.Name || someKey(mount.VolumeOptions?.DriverConfig?.Options),
      ),
    ],
    ["--mount type=image", h.Mounts?.some((mount) => mount.Type === "image") ?? false],
    ["--volume-driver", h.VolumeDriver !== ""],
    ["--volumes-from", some(h.VolumesFrom)],
    ["--storage-opt", someKey(h.StorageOpt)],
  ];
}

function resourceChecks(h: HostConfig): Check[] {
  return [
    ["--cpu-rt-period", h.CpuRealtimePeriod !== 0],
    ["--cpu-rt-runtime", h.CpuRealtimeRuntime !== 0],
    ["--gpus and other device requests", some(h.DeviceRequests)],
  ];
}

const restartCheck = ({ RestartPolicy: { Name } }: HostConfig): Check => [`--restart ${Name}`, Name !== "no"];

function otherChecks(config: ContainerConfig, h: HostConfig, host: Host): Check[] {
  const security = parseSecurityOpt(h.SecurityOpt);
  const probes = config.Healthcheck?.Test?.[0];
  const checks =
    config.Healthcheck !== undefined &&
    probes !== "NONE" &&
    (probes !== undefined ||
      Object.values(config.Healthcheck).some((value) => typeof value === "number" && value !== 0));
  return [
    restartCheck(h),
    ["--cgroup-parent SLICE", h.CgroupParent.endsWith(".slice") && host.cgroup === "v2"],
    ["--health-cmd and the other --health flags", checks],
    [`--log-driver ${h.LogConfig.Type}`, OTHER_LOG_DRIVERS.has(h.LogConfig.Type)],
    ["--userns", h.UsernsMode !== "" && h.UsernsMode !== "host"],
    ["--security-opt label", host.selinux && asksForLabel(security)],
    ["--security-opt apparmor", host.apparmor && asksForProfile(security)],
  ];
}

function refuse(checks: readonly Check[]): void {
  const found = checks.filter(([, used]) => used).map(([flag]) => flag);
  if (found.length > 0) {
    throw new EngineError("notImplemented", `not implemented yet: ${found.join("; ")}`);
  }
}

/** What `update` might change. @throws EngineError notImplemented */
export function refuseUnsupportedUpdate(h: HostConfig): void {
  refuse([...resourceChecks(h), restartCheck(h)]);
}

/** @throws EngineError notImplemented */
export function refuseUnsupported(config: ContainerConfig, h: HostConfig, host: Host): void {
  refuse([...storageChecks(h), ...resourceChecks(h), ...otherChecks(config, h, host)]);
}
