/** What this host can do, as far as a container's configuration depends on it. Read once, when the daemon starts. */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { defaultSeccomp } from "../runtime/seccomp-default.ts";
import type { Seccomp } from "../runtime/spec.ts";
import { availableCapabilities } from "./capabilities.ts";

export interface Host {
  /** CPUs that the kernel has online. */
  cpus: number;
  /** The cpuset list of CPUs and memory nodes, `0-1`. */
  cpusetCpus: string;
  cpusetMems: string;
  cgroup: "v1" | "v2";
  /** Whether there is a file for it: of version 1 it is told without its `blkio.`, of version 2 it is one of `io`. */
  limitsBlockIo(file: string): boolean;
  /** It may be given another one at any time. */
  hostname(): string;
  /** CAP_… names that this daemon can give. */
  capabilities: string[];
  ipv4Forwarding: boolean;
  architecture: string;
  /** The default masked paths of Docker 29, those of this machine's CPUs included. */
  maskedPaths: string[];
  apparmor: boolean;
  selinux: boolean;
  bootId: string;
  timeNamespaces: boolean;
  /** Docker's defaults for a network namespace of a container's own, as far as this kernel has them. */
  networkSysctls: Readonly<Record<string, string>>;
  /** Docker's default profile for a process with these capabilities; it is the host's. */
  seccomp(capabilities: readonly string[]): Seccomp;
  /** How many files a process of this daemon's may have open, at most. */
  openFiles: number;
}

const CONTROLLERS = "/sys/fs/cgroup/cgroup.controllers";

const ARCHITECTURES: Record<string, string> = { x64: "amd64", arm64: "arm64" };

function read(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return otherwise;
  }
}

export function parseList(list: string): number[] {
  if (list === "") return [];
  return list.split(",").flatMap((part) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) throw new Error(`invalid format: ${part}`);
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (to < from || to - from > 8192) throw new Error(`invalid format: ${part}`);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

function maskedPaths(possible: string): string[] {
  const fixed = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
  ];
  // GHSA-6fw5-f8r9-fgfm: these and /proc/interrupts are side channels.
  const perCpu = parseList(possible).map((cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`);
  return [...fixed, ...perCpu.filter((path) => existsSync(path))];
}

function networkSysctls(): Record<string, string> {
  const wanted = { ping_group_range: "0 2147483647", ip_unprivileged_port_start: "0" };
  const there = Object.entries(wanted).filter(([name]) => existsSync(`/proc/sys/net/ipv4/${name}`));
  return Object.fromEntries(there.map(([name, value]) => [`net.ipv4.${name}`, value]));
}

const PROFILES_MAX = 32;

/** Nearly all containers have the same one. */
function seccompProfiles(): Host["seccomp"] {
  const known = new Map<string, Seccomp>();
  return (capabilities) => {
    const key = capabilities.join();
    let profile = known.get(key);
    if (profile === undefined) {
      profile = defaultSeccomp(capabilities);
      if (known.size >= PROFILES_MAX) known.clear();
      known.set(key, profile);
    }
    return profile;
  };
}

export function probeHost(): Host {
  const online = read("/sys/devices/system/cpu/online", `0-${availableParallelism() - 1}`);
  return {
    cpus: parseList(online).length,
    cpusetCpus: online,
    cpusetMems: read("/sys/devices/system/node/online", "0"),
    cgroup: existsSync(CONTROLLERS) ? "v2" : "v1",
    limitsBlockIo: (file) =>
      existsSync(`/sys/fs/cgroup/blkio/blkio.${file}`) || read(CONTROLLERS, "").split(" ").includes("io"),
    hostname,
    capabilities: availableCapabilities(),
    ipv4Forwarding: read("/proc/sys/net/ipv4/ip_forward", "1") === "1",
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    maskedPaths: maskedPaths(read("/sys/devices/system/cpu/possible", "0")),
    apparmor:
      read("/sys/module/apparmor/parameters/enabled", "N") === "Y" &&
      existsSync("/sys/kernel/security/apparmor"),
    selinux: existsSync("/sys/fs/selinux/enforce"),
    bootId: read("/proc/sys/kernel/random/boot_id", ""),
    timeNamespaces: existsSync("/proc/self/ns/time"),
    networkSysctls: networkSysctls(),
    seccomp: seccompProfiles(),
    openFiles: Number(/^Max open files +\S+ +(\d+)/m.exec(read("/proc/self/limits", ""))?.[1] ?? 524_288),
  };
}

export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];
