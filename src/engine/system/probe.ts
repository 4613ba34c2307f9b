/** What the kernel and the host say of themselves, for `info` and `version`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname, release, totalmem } from "node:os";

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

export interface OperatingSystem {
  name: string;
  version: string;
}

/** From os-release. */
export function operatingSystem(
  text = read("/etc/os-release") || read("/usr/lib/os-release"),
): OperatingSystem {
  const value = (key: string) => {
    const line = text.split("\n").find((line) => line.startsWith(`${key}=`));
    return line?.slice(key.length + 1).replace(/^(["'])(.*)\1$/, "$2");
  };
  return { name: value("PRETTY_NAME") ?? value("NAME") ?? "Linux", version: value("VERSION_ID") ?? "" };
}

export interface CgroupSupport {
  version: "1" | "2";
  memory: boolean;
  swap: boolean;
  oomKillDisable: boolean;
  cfs: boolean;
  shares: boolean;
  cpuset: boolean;
  pids: boolean;
}

const V2_ROOT = "/sys/fs/cgroup";

export function cgroupSupport(): CgroupSupport {
  if (existsSync(`${V2_ROOT}/cgroup.controllers`)) {
    const controllers = read(`${V2_ROOT}/cgroup.controllers`).trim().split(" ");
    const has = (name: string) => controllers.includes(name);
    return {
      version: "2",
      memory: has("memory"),
      swap: has("memory") && swapInV2(),
      oomKillDisable: false,
      cfs: has("cpu"),
      shares: has("cpu"),
      cpuset: has("cpuset"),
      pids: has("pids"),
    };
  }
  const at = (controller: string) => v1Mount(controller);
  const file = (controller: string, name: string) => existsSync(`${at(controller)}/${name}`);
  return {
    version: "1",
    memory: file("memory", "memory.limit_in_bytes"),
    swap: file("memory", "memory.memsw.limit_in_bytes"),
    oomKillDisable: file("memory", "memory.oom_control"),
    cfs: file("cpu", "cpu.cfs_quota_us"),
    shares: file("cpu", "cpu.shares"),
    cpuset: file("cpuset", "cpuset.cpus"),
    pids: file("pids", "cgroup.procs"),
  };
}

/** The root has no memory.swap.max: any child with the controller shows whether there is swap accounting. */
function swapInV2(): boolean {
  const own = read("/proc/self/cgroup").trim().split("::")[1] ?? "/";
  if (existsSync(`${V2_ROOT}${own}/memory.swap.max`)) return true;
  try {
    return readdirSync(V2_ROOT, { withFileTypes: true }).some(
      (entry) => entry.isDirectory() && existsSync(`${V2_ROOT}/${entry.name}/memory.swap.max`),
    );
  } catch {
    return false;
  }
}

function v1Mount(controller: string): string {
  for (const line of read("/proc/self/mountinfo").split("\n")) {
    const [before, after] = line.split(" - ");
    if (!before || !after?.startsWith("cgroup ")) continue;
    const options = after.split(" ")[2] ?? "";
    if (options.split(",").includes(controller)) return before.split(" ")[4] ?? "";
  }
  return "/nonexistent";
}

/** What containers are confined by; neither AppArmor nor SELinux, wherever the host has them. */
export function securityOptions(): string[] {
  return /^Seccomp:/m.test(read("/proc/self/status")) ? ["name=seccomp,profile=builtin"] : [];
}

export const kernelVersion = (): string => release();
export const hostName = (): string => hostname();
export const totalMemory = (): number => totalmem();
export const ipv4Forwarding = (): boolean => read("/proc/sys/net/ipv4/ip_forward").trim() !== "0";

export function openFds(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return -1;
  }
}

const ARCHITECTURES: Record<string, { go: string; uname: string }> = {
  x64: { go: "amd64", uname: "x86_64" },
  arm64: { go: "arm64", uname: "aarch64" },
};

export const architecture = (): { go: string; uname: string } =>
  ARCHITECTURES[process.arch] ?? { go: process.arch, uname: process.arch };
