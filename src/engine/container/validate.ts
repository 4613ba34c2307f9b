/**
 * Whether a container may be created like this: Docker 29's checks, in its order and words. Throws plain errors;
 * create gives them the kind `invalid`.
 */
import { isIP } from "node:net";
import { normalizeCapabilities } from "./capabilities.ts";
import type { ContainerConfig, Healthcheck, HostConfig } from "./config.ts";
import type { Host } from "./host.ts";
import { checkTmpfsTarget, cleanPath, validateMountSpec } from "./mount-points.ts";
import { asksForLabel, asksForProfile, parseSecurityOpt } from "./security-opt.ts";
import { parseSignal } from "./signals.ts";
import { validateResources } from "./validate-resources.ts";

/** linux/limits.h */
const HOST_NAME_MAX = 64;
const MILLISECOND = 1_000_000;

/** The container that a `container:NAME` mode names; undefined for any other mode. */
export function joinedContainer(mode: string): string | undefined {
  return mode.startsWith("container:") ? mode.slice("container:".length) : undefined;
}

function validateHealthcheck(check: Healthcheck | undefined): void {
  if (check === undefined) return;
  for (const field of ["Interval", "Timeout"] as const) {
    const value = check[field] ?? 0;
    if (value !== 0 && value < MILLISECOND)
      throw new Error(`${field} in Healthcheck cannot be less than 1ms`);
  }
  if ((check.Retries ?? 0) < 0) throw new Error("Retries in Healthcheck cannot be negative");
  for (const field of ["StartPeriod", "StartInterval"] as const) {
    const value = check[field] ?? 0;
    if (value !== 0 && value < MILLISECOND)
      throw new Error(`${field} in Healthcheck cannot be less than 1ms`);
  }
}

function validateConfig(config: ContainerConfig): void {
  if (config.WorkingDir !== "") {
    if (!config.WorkingDir.startsWith("/")) {
      throw new Error(
        `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
      );
    }
    config.WorkingDir = cleanPath(config.WorkingDir);
  }
  if (config.StopSignal) parseSignal(config.StopSignal);
  for (const env of config.Env ?? []) {
    if (env === "" || env.startsWith("=")) throw new Error(`invalid environment variable: ${env}`);
  }
  validateHealthcheck(config.Healthcheck);
}

export function validateRestartPolicy({ Name, MaximumRetryCount }: HostConfig["RestartPolicy"]): void {
  switch (Name) {
    case "no":
    case "always":
    case "unless-stopped":
      if (MaximumRetryCount !== 0) {
        const negative = MaximumRetryCount < 0 ? " and cannot be negative" : "";
        throw new Error(
          `invalid restart policy: maximum retry count can only be used with 'on-failure'${negative}`,
        );
      }
      return;
    case "on-failure":
      if (MaximumRetryCount < 0)
        throw new Error("invalid restart policy: maximum retry count cannot be negative");
      return;
    default:
      throw new Error(
        `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
      );
  }
}

function validateExtraHost(entry: string): void {
  const colon = entry.indexOf(":");
  if (colon < 1) throw new Error(`bad format for add-host: ${JSON.stringify(entry)}`);
  const address = entry.slice(colon + 1);
  if (address !== "host-gateway" && isIP(address.trim()) === 0) {
    throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
}

function validatePorts(ports: HostConfig["PortBindings"]): void {
  for (const [port, bindings] of Object.entries(ports)) {
    if (!/^[1-9]\d*(\/(tcp|udp|sctp))?$/.test(port))
      throw new Error(`invalid port specification: ${JSON.stringify(port)}`);
    for (const { HostPort } of bindings ?? []) {
      if (HostPort && !/^\d+(-\d+)?$/.test(HostPort))
        throw new Error(`invalid port specification: ${JSON.stringify(HostPort)}`);
    }
  }
}

const hasNul = (value: unknown): boolean => {
  if (typeof value === "string") return value.includes("\0");
  if (typeof value !== "object" || value === null) return false;
  for (const key in value)
    if (key.includes("\0") || hasNul((value as Record<string, unknown>)[key])) return true;
  return false;
};

/** The kernel's strings end there: what the container got would not be what was asked for. Labels never leave us. */
function refuseNul(objects: readonly object[]): void {
  for (const object of objects) {
    const field = Object.entries(object).find(([name, value]) => name !== "Labels" && hasNul(value))?.[0];
    if (field !== undefined) throw new Error(`invalid ${field}: must not contain a NUL byte`);
  }
}

function wrapped(prefix: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new Error(`${prefix}: ${(error as Error).message}`);
  }
}

function validateHostConfig(h: HostConfig, host: Host): void {
  if (h.AutoRemove && h.RestartPolicy.Name !== "no")
    throw new Error("can't create 'AutoRemove' container with restart policy");
  for (const mount of h.Mounts ?? []) validateMountSpec(mount);
  h.ExtraHosts?.forEach(validateExtraHost);
  validatePorts(h.PortBindings);
  validateRestartPolicy(h.RestartPolicy);
  wrapped("invalid CapAdd", () => normalizeCapabilities(h.CapAdd, host.capabilities));
  wrapped("invalid CapDrop", () => normalizeCapabilities(h.CapDrop, host.capabilities));
  if (h.Annotations !== undefined && "" in h.Annotations) {
    throw new Error("invalid Annotations: the empty string is not permitted as an annotation key");
  }
}

function validateModes(h: HostConfig): void {
  const joins = (mode: string): boolean => joinedContainer(mode) !== undefined;
  if (!["", "none", "private", "host", "shareable"].includes(h.IpcMode) && !joins(h.IpcMode)) {
    throw new Error(`invalid IPC mode: ${h.IpcMode}`);
  }
  if (h.PidMode !== "" && h.PidMode !== "host" && !joinedContainer(h.PidMode)) {
    throw new Error(`invalid PID mode: ${h.PidMode}`);
  }
  if (h.ShmSize < 0) throw new Error("SHM size can not be less than 0");
  if (h.UTSMode !== "" && h.UTSMode !== "host") throw new Error(`invalid UTS mode: ${h.UTSMode}`);
  if (h.OomScoreAdj < -1000 || h.OomScoreAdj > 1000) {
    throw new Error(`Invalid value ${h.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
}

/** This too while it decodes the request: elsewhere it has other words. */
function validateIsolation({ Isolation }: HostConfig): void {
  if (Isolation !== "" && Isolation.toLowerCase() !== "default")
    throw new Error(`invalid isolation (${Isolation}): linux only supports 'default'`);
}

/** The combinations that Docker refuses while it decodes the request, before all else. */
function validateNetworkMode(config: ContainerConfig, h: HostConfig): void {
  if (h.NetworkMode === "container" || joinedContainer(h.NetworkMode) !== undefined) {
    if (!joinedContainer(h.NetworkMode))
      throw new Error("invalid network mode: invalid container format container:<name|id>");
    if (config.Hostname !== "") throw new Error("conflicting options: hostname and the network mode");
    if (h.Links?.length) {
      throw new Error(
        "conflicting options: container type network can't be used with links. This would result in undefined behavior",
      );
    }
    if (h.Dns?.length) throw new Error("conflicting options: dns and the network mode");
    if (h.ExtraHosts?.length)
      throw new Error("conflicting options: custom host-to-IP mapping and the network mode");
    if (Object.keys(h.PortBindings).length > 0 || h.PublishAllPorts) {
      throw new Error("conflicting options: port publishing and the container type network mode");
    }
    if (config.ExposedPorts !== undefined) {
      throw new Error("conflicting options: port exposing and the container type network mode");
    }
  }
  if (h.UTSMode === "host" && config.Hostname !== "")
    throw new Error("conflicting options: hostname and the UTS mode");
  if (h.NetworkMode === "host" && h.Links?.length) {
    throw new Error(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
}

export interface Validated {
  /** For the client, in the create answer. */
  warnings: string[];
}

/**
 * Checks both objects and normalizes what Docker normalizes on the way (WorkingDir, discarded limits).
 * `runtimes` are the names that `--runtime` may give; the first is the default.
 */
export function validateCreate(
  config: ContainerConfig,
  h: HostConfig,
  host: Host,
  runtimes: readonly string[],
): Validated {
  validateNetworkMode(config, h);
  validateIsolation(h);
  refuseNul([config, h]);
  validateConfig(config);
  validateHostConfig(h, host);
  if (Buffer.byteLength(config.Hostname) > HOST_NAME_MAX) {
    throw new Error(
      `hostname ${JSON.stringify(config.Hostname)} is too long (maximum ${HOST_NAME_MAX} bytes)`,
    );
  }
  const warnings = validateResources(h, host);
  validateModes(h);
  if (!host.ipv4Forwarding && h.NetworkMode !== "host" && h.NetworkMode !== "none") {
    warnings.push("IPv4 forwarding is disabled. Networking will not work.");
  }
  if (h.NetworkMode === "host" && Object.keys(h.PortBindings).length > 0) {
    warnings.push("Published ports are discarded when using host network mode");
  }
  if (h.Runtime === "") h.Runtime = runtimes[0]!;
  if (!runtimes.includes(h.Runtime)) throw new Error(`unknown or invalid runtime name: ${h.Runtime}`);
  for (const target of Object.keys(h.Tmpfs ?? {})) checkTmpfsTarget(target);
  if (!["", "private", "host"].includes(h.CgroupnsMode))
    throw new Error(`invalid cgroup namespace mode: ${h.CgroupnsMode}`);
  const security = parseSecurityOpt(h.SecurityOpt);
  if (!host.apparmor && asksForProfile(security))
    warnings.push(`This host has no AppArmor: --security-opt apparmor=${security.apparmor} has no effect.`);
  if (!host.selinux && asksForLabel(security))
    warnings.push(
      `This host has no SELinux: --security-opt label=${security.labels.join(",")} has no effect.`,
    );
  return { warnings };
}

/** Docker's defaults for what is not set, which inspect then shows. */
export function applyDefaults(h: HostConfig, host: Host): void {
  if (h.Memory > 0 && h.MemorySwap === 0) h.MemorySwap = h.Memory * 2;
  if (h.ShmSize === 0) h.ShmSize = 64 * 1024 * 1024;
  if (h.IpcMode === "") h.IpcMode = "private";
  if (h.CgroupnsMode === "") h.CgroupnsMode = host.cgroup === "v2" ? "private" : "host";
  const overridden = h.SecurityOpt?.some((option) => option.split("=")[0] === "label");
  if (!overridden && (h.IpcMode === "host" || h.PidMode === "host" || h.Privileged)) {
    h.SecurityOpt = [...(h.SecurityOpt ?? []), "label=disable"];
  }
  h.OomKillDisable ??= false;
}
