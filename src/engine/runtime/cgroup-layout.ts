/**
 * Where cgroups are on this machine: version 1 (a hierarchy per controller), hybrid (those and an empty version 2
 * one), or version 2 alone; and which folders a container's are.
 * @source cgroups(7); proc_pid_mountinfo(5)
 */
import { readText } from "../../ffi/host.ts";
import { cleanPath } from "./inside.ts";

export interface Hierarchy {
  /** 2 for the unified one. */
  version: 1 | 2;
  mountpoint: string;
  /** What of the hierarchy is mounted there, when that is not all of it. */
  root?: string;
  /** Of version 1: `cpu`, `cpuacct`, or `name=systemd`. */
  controllers: string[];
  /** This process's own cgroup, below the mount point: `/` or `/user.slice`. */
  own: string;
}

export interface CgroupLayout {
  hierarchies: Hierarchy[];
}

/** A container's folder in one hierarchy. */
export interface CgroupFolder {
  version: 1 | 2;
  controllers: string[];
  mountpoint: string;
  /** As the hierarchy's. */
  root?: string;
  /** Absolute. */
  path: string;
  /** The systemd unit that it is of: systemd has made it, and is told before it goes. */
  unit?: string;
}

export type Cgroup = CgroupFolder[];

/** Is all of it version 2? */
export const isUnified = (layout: CgroupLayout | Cgroup): boolean => {
  const list = Array.isArray(layout) ? layout : layout.hierarchies;
  return !list.some(({ version }) => version !== 2);
};

export function detectCgroups(
  mountinfo: string = readText("/proc/self/mountinfo"),
  own: string = readText("/proc/self/cgroup"),
): CgroupLayout {
  const ownPaths = parseOwn(own);
  const hierarchies: Hierarchy[] = [];
  for (const line of mountinfo.split("\n")) {
    const dash = line.indexOf(" - cgroup");
    if (dash < 0) continue;
    const fields = line.split(" ");
    const after = line.slice(dash + 3).split(" ");
    const version = after[0] === "cgroup2" ? 2 : 1;
    const keys = version === 2 ? [""] : (after[2] ?? "").split(",");
    const controllers: string[] = [];
    for (const key of keys) if (ownPaths.has(key)) controllers.push(key);
    if (controllers.length === 0 || isKnown(hierarchies, version, controllers)) continue;
    const path = ownPaths.get(controllers[0]!) ?? "/";
    const root = unescapeOctal(fields[3] ?? "/");
    hierarchies.push({
      version,
      mountpoint: unescapeOctal(fields[4] ?? ""),
      controllers: version === 2 ? [] : controllers,
      own: below(root, path),
      ...(root !== "/" && { root }),
    });
  }
  return { hierarchies };
}

/** Controllers (or `name=…`, or nothing for version 2) → path, of lines like `4:cpu,cpuacct:/user.slice`. */
function parseOwn(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (second < 0) continue;
    for (const key of line.slice(first + 1, second).split(",")) paths.set(key, line.slice(second + 1));
  }
  return paths;
}

/** The same hierarchy may be mounted in several places: the first one counts. */
function isKnown(known: readonly Hierarchy[], version: number, keys: readonly string[]): boolean {
  for (const other of known) {
    if (other.version === version && (version === 2 || other.controllers.includes(keys[0]!))) return true;
  }
  return false;
}

export const unescapeOctal = (text: string): string =>
  text.includes("\\")
    ? text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
    : text;

/** In a container the mount shows only a part of the hierarchy: `root` is where it begins. */
function below(root: string, path: string): string {
  if (root === "/") return path;
  return path.startsWith(root) ? path.slice(root.length) || "/" : "/";
}

/**
 * `path` is the specification's `cgroupsPath`: an absolute one is below the hierarchy's root, a relative one (or,
 * without one, the container's id) below this process's own cgroup.
 */
export function cgroupOf(layout: CgroupLayout, path: string | undefined, id: string): Cgroup {
  return layout.hierarchies.map(({ version, controllers, mountpoint, own, root }) => {
    const inside = path?.startsWith("/") ? cleanPath(path) : cleanPath(`${own}/${cleanPath(path || id)}`);
    const folder = { version, controllers, mountpoint, path: mountpoint + inside };
    return root === undefined ? folder : { ...folder, root };
  });
}

/** The folder of one version 1 controller. */
export function folderOf(cgroup: Cgroup, controller: string): CgroupFolder | undefined {
  for (const folder of cgroup) if (folder.controllers.includes(controller)) return folder;
  return undefined;
}

export function unifiedFolder(cgroup: Cgroup): CgroupFolder | undefined {
  for (const folder of cgroup) if (folder.version === 2) return folder;
  return undefined;
}
