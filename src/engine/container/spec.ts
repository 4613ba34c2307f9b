/** The OCI runtime configuration of a container, as Docker would make it. */

import { release } from "node:os";
import { EngineError } from "../errors.ts";
import { completeEnvironment } from "../runtime/environment.ts";
import { type DockerSeccompProfile, type Machine, resolveProfile } from "../runtime/seccomp-default.ts";
import type { CapabilitySets, Namespace, NamespaceType, Seccomp, Spec } from "../runtime/spec.ts";
import { containerCapabilities, normalizeCapabilities } from "./capabilities.ts";
import type { ContainerConfig, HostConfig } from "./config.ts";
import type { ContainerRecord } from "./container.ts";
import type { Host } from "./host.ts";
import { overrideEnv } from "./merge.ts";
import { parseSecurityOpt } from "./security-opt.ts";
import { specDevices } from "./spec-devices.ts";
import { type NetworkFiles, specMounts } from "./spec-mounts.ts";
import { specResources, specRlimits } from "./spec-resources.ts";
import type { ContainerUser } from "./user.ts";
import { joinedContainer } from "./validate.ts";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What joining another container's namespaces takes: its pid. */
export interface Joined {
  network?: number;
  ipc?: number;
  pid?: number;
}

export interface SpecInput {
  id: string;
  record: ContainerRecord;
  user: ContainerUser;
  files: NetworkFiles | undefined;
  joined: Joined;
  /** The network namespace that was made for it; undefined where it gets a bare one, or another's. */
  netns?: string;
  /** The folder of the host that is its /dev/shm, when it shares one. */
  sharedShm?: string;
  /** Variables of those that it links to. */
  linkVariables: readonly string[];
  host: Host;
}

/** Variables that every process of the container gets, exec'ed ones too. */
export function containerEnv(config: ContainerConfig, tty: boolean, links: readonly string[]): string[] {
  const defaults = [DEFAULT_PATH, `HOSTNAME=${config.Hostname}`, ...(tty ? ["TERM=xterm"] : []), ...links];
  return overrideEnv(defaults, config.Env ?? []);
}

/** runc sets HOME from the container's passwd file when nobody else did. */
export function withHome(env: string[], home: string): string[] {
  return completeEnvironment(env, () => home);
}

/** Of one who is not root only the bounding set, as execve would leave it. */
export const setsFor = (uid: number, names: readonly string[]): CapabilitySets =>
  uid === 0
    ? { bounding: [...names], permitted: [...names], effective: [...names] }
    : { bounding: [...names] };

export function capabilitySets(h: HostConfig, host: Host, uid: number): CapabilitySets {
  const add = normalizeCapabilities(h.CapAdd, host.capabilities);
  const drop = normalizeCapabilities(h.CapDrop, host.capabilities);
  const names = containerCapabilities(add, drop, h.Privileged, host.capabilities);
  return setsFor(uid, names);
}

function namespaces(
  h: HostConfig,
  config: ContainerConfig,
  joined: Joined,
  netns: string | undefined,
  { timeNamespaces }: Host,
): Namespace[] {
  const path = (pid: number | undefined, name: string): string | undefined =>
    pid === undefined ? undefined : `/proc/${pid}/ns/${name}`;
  const wanted: [NamespaceType, boolean, string?][] = [
    ["mount", true],
    ["network", config.NetworkDisabled || h.NetworkMode !== "host", netns ?? path(joined.network, "net")],
    ["uts", h.UTSMode !== "host"],
    ["pid", h.PidMode !== "host", path(joined.pid, "pid")],
    ["ipc", h.IpcMode !== "host", path(joined.ipc, "ipc")],
    ["time", timeNamespaces],
    ["cgroup", h.CgroupnsMode === "private"],
  ];
  return wanted
    .filter(([, own]) => own)
    .map(([type, , joins]) => (joins === undefined ? { type } : { type, path: joins }));
}

/** Safe for a network namespace of its own: the capabilities for the same are given anyway. */
function sysctls(h: HostConfig, { networkSysctls }: Host): Record<string, string> | undefined {
  const own = h.NetworkMode !== "host" && joinedContainer(h.NetworkMode) === undefined;
  const all = { ...(own && networkSysctls), ...h.Sysctls };
  return Object.keys(all).length > 0 ? all : undefined;
}

function seccomp(
  profile: string | undefined,
  privileged: boolean,
  capabilities: readonly string[],
  host: Host,
): Seccomp | undefined {
  if (profile === "unconfined") return undefined;
  if (profile === undefined || profile === "" || profile === "builtin") {
    return privileged ? undefined : host.seccomp(capabilities);
  }
  return loadSeccomp(profile, capabilities, host);
}

/** A profile as the user wrote it, in Docker's format, of which OCI's is a part. */
function loadSeccomp(json: string, capabilities: readonly string[], host: Host): Seccomp {
  let profile: DockerSeccompProfile;
  try {
    profile = JSON.parse(json) as DockerSeccompProfile;
  } catch (cause) {
    throw new EngineError("internal", `decoding seccomp profile failed: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (typeof profile !== "object" || profile === null || typeof profile.defaultAction !== "string") {
    throw new EngineError("internal", "decoding seccomp profile failed: defaultAction is missing");
  }
  return resolveProfile(profile, capabilities, {
    arch: host.architecture as Machine["arch"],
    kernel: release(),
  });
}

function propagation(record: ContainerRecord): string | undefined {
  const words = record.mounts.filter((mount) => mount.type === "bind").map((mount) => mount.propagation);
  if (words.some((word) => word.endsWith("shared"))) return "shared";
  return words.some((word) => word.endsWith("slave")) ? "rslave" : undefined;
}

/** Below the root of each cgroup hierarchy. */
export function cgroupsPathOf(id: string, h: HostConfig): string {
  const parent = h.CgroupParent || "/tsd";
  return `${parent.startsWith("/") ? parent : `/${parent}`}/${id}`.replaceAll("//", "/");
}

export function buildSpec(input: SpecInput): Spec {
  const { id, record, user, files, joined, netns, sharedShm, linkVariables, host } = input;
  const { config, hostConfig: h } = record;
  const security = parseSecurityOpt(h.SecurityOpt);
  const capabilities = capabilitySets(h, host, user.uid);
  const { devices, rules } = specDevices(h);
  const { home, ...ids } = user;
  return {
    ociVersion: "1.2.0",
    process: {
      terminal: config.Tty,
      consoleSize:
        config.Tty && h.ConsoleSize[0] > 0
          ? { height: h.ConsoleSize[0], width: h.ConsoleSize[1] }
          : undefined,
      user: ids,
      args: [record.path, ...record.args],
      env: withHome(containerEnv(config, config.Tty, linkVariables), home),
      cwd: config.WorkingDir || "/",
      capabilities,
      rlimits: specRlimits(h.Ulimits, host),
      noNewPrivileges: security.noNewPrivileges,
      oomScoreAdj: h.OomScoreAdj,
    },
    root: { path: "rootfs", readonly: h.ReadonlyRootfs },
    hostname: h.UTSMode === "host" ? undefined : config.Hostname,
    domainname: h.UTSMode === "host" ? undefined : config.Domainname || undefined,
    mounts: specMounts(h, record.mounts, files, security.writableCgroups ?? h.Privileged, sharedShm),
    annotations: h.Annotations,
    linux: {
      namespaces: namespaces(h, config, joined, netns, host),
      devices,
      cgroupsPath: cgroupsPathOf(id, h),
      resources: { ...specResources(h), devices: rules },
      rootfsPropagation: propagation(record),
      seccomp: seccomp(security.seccomp, h.Privileged, capabilities.bounding!, host),
      sysctl: sysctls(h, host),
      maskedPaths: h.MaskedPaths ?? undefined,
      readonlyPaths: h.ReadonlyPaths ?? undefined,
    },
  };
}
