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
  /** Absolute. */
  path: string;
}

export type Cgroup = CgroupFolder[];

/** Is all of it version 2? */
export const isUnified = (layout: CgroupLayout | Cgroup): boolean => {
  const list = Array.isArray(layout) ? layout : layout.hierarchies;
  return list.every(({ version }) => version === 2);
};

export function detectCgroups(
  mountinfo: string = readText("/proc/self/mountinfo"),
  own: string = readText("/proc/self/cgroup"),
): CgroupLayout {
  const ownPaths = parseOwn(own);
  const hierarchies: Hierarchy[] = [];
  for (const line of mountinfo.split("\n")) {
    if (!line.includes(" - cgroup")) continue;
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "/", mountpoint = ""] = before.split(" ").map(unescapeOctal);
    const [type, , options = ""] = after.split(" ");
    const version = type === "cgroup2" ? 2 : 1;
    const keys = version === 2 ? [""] : options.split(",");
    const own = keys.map((key) => ownPaths.get(key)).find((path) => path !== undefined);
    if (own === undefined || hierarchies.some((other) => sameHierarchy(other, version, keys))) continue;
    const controllers = version === 2 ? [] : keys.filter((key) => ownPaths.has(key));
    hierarchies.push({ version, mountpoint, controllers, own: below(root, own) });
  }
  return { hierarchies };
}

/** Controllers (or `name=…`, or nothing for version 2) → path. */
function parseOwn(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    for (const key of match?.[1]?.split(",") ?? []) paths.set(key, match?.[2] ?? "/");
  }
  return paths;
}

/** The same hierarchy may be mounted in several places: the first one counts. */
const sameHierarchy = (other: Hierarchy, version: number, keys: string[]): boolean =>
  other.version === version && (version === 2 || other.controllers.some((key) => keys.includes(key)));

const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));

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
  return layout.hierarchies.map(({ version, controllers, mountpoint, own }) => {
    const inside = path?.startsWith("/") ? cleanPath(path) : cleanPath(`${own}/${cleanPath(path || id)}`);
    return { version, controllers, mountpoint, path: mountpoint + inside };
  });
}

/** The folder of one version 1 controller. */
export const folderOf = (cgroup: Cgroup, controller: string): CgroupFolder | undefined =>
  cgroup.find(({ controllers }) => controllers.includes(controller));

export const unifiedFolder = (cgroup: Cgroup): CgroupFolder | undefined =>
  cgroup.find(({ version }) => version === 2);
