/**
 * Turns what a client sent into complete configuration objects: every field that the API always shows, in the
 * API's order, with Go's zero values where the client said nothing (clients compare null and [] by shape).
 */
import type { ContainerConfig, CreateBody, DeviceMapping, HostConfig, Ulimit } from "./config.ts";

type Sent<T> = Partial<{ [K in keyof T]: T[K] | null }>;

/** Go's `omitempty`: false for what would be left out of the JSON. */
function present(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "" || value === 0) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object") return Object.keys(value).length > 0;
  return true;
}

function orEmpty<T extends object>(value: T | null | undefined): T | undefined {
  return present(value) ? (value as T) : undefined;
}

function withoutUndefined<T extends object>(object: T): T {
  for (const key of Object.keys(object) as (keyof T)[]) if (object[key] === undefined) delete object[key];
  return object;
}

export function normalizeConfig(sent: Sent<ContainerConfig>): ContainerConfig {
  return withoutUndefined<ContainerConfig>({
    Hostname: sent.Hostname ?? "",
    Domainname: sent.Domainname ?? "",
    User: sent.User ?? "",
    AttachStdin: sent.AttachStdin ?? false,
    AttachStdout: sent.AttachStdout ?? false,
    AttachStderr: sent.AttachStderr ?? false,
    ExposedPorts: orEmpty(sent.ExposedPorts),
    Tty: sent.Tty ?? false,
    OpenStdin: sent.OpenStdin ?? false,
    StdinOnce: sent.StdinOnce ?? false,
    Env: sent.Env ?? null,
    Cmd: sent.Cmd ?? null,
    Healthcheck: sent.Healthcheck ?? undefined,
    ArgsEscaped: sent.ArgsEscaped || undefined,
    Image: sent.Image ?? "",
    Volumes: sent.Volumes ?? {},
    WorkingDir: sent.WorkingDir ?? "",
    Entrypoint: sent.Entrypoint ?? null,
    NetworkDisabled: sent.NetworkDisabled || undefined,
    OnBuild: orEmpty(sent.OnBuild),
    Labels: { ...sent.Labels },
    StopSignal: sent.StopSignal || undefined,
    StopTimeout: sent.StopTimeout ?? undefined,
    Shell: orEmpty(sent.Shell),
  });
}

export function normalizeHostConfig(sent: Sent<HostConfig> = {}): HostConfig {
  const network = sent.NetworkMode ?? "";
  return withoutUndefined<HostConfig>({
    Binds: sent.Binds ?? null,
    ContainerIDFile: sent.ContainerIDFile ?? "",
    LogConfig: { Type: sent.LogConfig?.Type ?? "", Config: { ...sent.LogConfig?.Config } },
    // "default" means "bridge" on Linux; Docker resolves it before anything else sees it.
    NetworkMode: network === "" || network === "default" ? "bridge" : network,
    PortBindings: sent.PortBindings ?? {},
    RestartPolicy: {
      Name: sent.RestartPolicy?.Name || "no",
      MaximumRetryCount: sent.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    AutoRemove: sent.AutoRemove ?? false,
    VolumeDriver: sent.VolumeDriver ?? "",
    VolumesFrom: sent.VolumesFrom ?? null,
    ConsoleSize: [sent.ConsoleSize?.[0] ?? 0, sent.ConsoleSize?.[1] ?? 0],
    Annotations: orEmpty(sent.Annotations),
    CapAdd: sent.CapAdd ?? null,
    CapDrop: sent.CapDrop ?? null,
    CgroupnsMode: sent.CgroupnsMode ?? "",
    Dns: sent.Dns ?? null,
    DnsOptions: sent.DnsOptions ?? null,
    DnsSearch: sent.DnsSearch ?? null,
    ExtraHosts: sent.ExtraHosts ?? null,
    GroupAdd: sent.GroupAdd ?? null,
    IpcMode: sent.IpcMode ?? "",
    Cgroup: sent.Cgroup ?? "",
    Links: sent.Links?.length ? sent.Links : null,
    OomScoreAdj: sent.OomScoreAdj ?? 0,
    PidMode: sent.PidMode ?? "",
    Privileged: sent.Privileged ?? false,
    PublishAllPorts: sent.PublishAllPorts ?? false,
    ReadonlyRootfs: sent.ReadonlyRootfs ?? false,
    SecurityOpt: sent.SecurityOpt ?? null,
    StorageOpt: orEmpty(sent.StorageOpt),
    Tmpfs: orEmpty(sent.Tmpfs),
    UTSMode: sent.UTSMode ?? "",
    UsernsMode: sent.UsernsMode ?? "",
    ShmSize: sent.ShmSize ?? 0,
    Sysctls: orEmpty(sent.Sysctls),
    Runtime: sent.Runtime ?? "",
    Isolation: sent.Isolation ?? "",
    CpuShares: sent.CpuShares ?? 0,
    Memory: sent.Memory ?? 0,
    NanoCpus: sent.NanoCpus ?? 0,
    CgroupParent: sent.CgroupParent ?? "",
    BlkioWeight: sent.BlkioWeight ?? 0,
    BlkioWeightDevice: sent.BlkioWeightDevice ?? null,
    BlkioDeviceReadBps: sent.BlkioDeviceReadBps ?? null,
    BlkioDeviceWriteBps: sent.BlkioDeviceWriteBps ?? null,
    BlkioDeviceReadIOps: sent.BlkioDeviceReadIOps ?? null,
    BlkioDeviceWriteIOps: sent.BlkioDeviceWriteIOps ?? null,
    CpuPeriod: sent.CpuPeriod ?? 0,
    CpuQuota: sent.CpuQuota ?? 0,
    CpuRealtimePeriod: sent.CpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: sent.CpuRealtimeRuntime ?? 0,
    CpusetCpus: sent.CpusetCpus ?? "",
    CpusetMems: sent.CpusetMems ?? "",
    Devices: sent.Devices?.map((device) => ({ ...NO_DEVICE, ...device })) ?? null,
    DeviceCgroupRules: sent.DeviceCgroupRules ?? null,
    DeviceRequests: sent.DeviceRequests ?? null,
    MemoryReservation: sent.MemoryReservation ?? 0,
    MemorySwap: sent.MemorySwap ?? 0,
    // The docker client sends -1 for "not set".
    MemorySwappiness: sent.MemorySwappiness === -1 ? null : (sent.MemorySwappiness ?? null),
    OomKillDisable: sent.OomKillDisable ?? null,
    PidsLimit: sent.PidsLimit != null && sent.PidsLimit > 0 ? sent.PidsLimit : null,
    Ulimits: sent.Ulimits?.filter(Boolean).map((limit) => ({ ...NO_ULIMIT, ...limit })) ?? null,
    CpuCount: sent.CpuCount ?? 0,
    CpuPercent: sent.CpuPercent ?? 0,
    IOMaximumIOps: sent.IOMaximumIOps ?? 0,
    IOMaximumBandwidth: sent.IOMaximumBandwidth ?? 0,
    Mounts: orEmpty(sent.Mounts),
    MaskedPaths: sent.MaskedPaths ?? null,
    ReadonlyPaths: sent.ReadonlyPaths ?? null,
    Init: sent.Init ?? undefined,
  });
}

const NO_DEVICE: DeviceMapping = { PathOnHost: "", PathInContainer: "", CgroupPermissions: "" };
const NO_ULIMIT: Ulimit = { Name: "", Hard: 0, Soft: 0 };

/** The two objects that a create body flattens into one. */
export function normalizeBody(body: CreateBody): { config: ContainerConfig; hostConfig: HostConfig } {
  const { HostConfig: host, NetworkingConfig: _, ...config } = body;
  return { config: normalizeConfig(config), hostConfig: normalizeHostConfig(host ?? {}) };
}
