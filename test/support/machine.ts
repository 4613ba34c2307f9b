/**
 * What a test may leave behind on the machine, and how to take it away. Tests of one run keep their files below one
 * temporary folder, and all their processes are descendants of the guard (./guard.ts): both are counted exactly, also
 * while other work goes on beside them.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { linkNames } from "./footprint.ts";

/** Everything is a name, so that two moments can be compared. */
export interface Machine {
  mounts: string[];
  cgroups: string[];
  links: string[];
  namespaces: string[];
  tables: string[];
  files: string[];
  settings: string[];
}

/** Settings of the whole machine that a container engine may be tempted by. */
const SETTINGS = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

/** Places that only a program with default roots, or one that forgets its own, writes to. */
const FILES = ["/run/tsd", "/var/lib/tsd", "/run/docker.sock", "/run/docker.pid", "/var/lib/docker"];

const NETNS = "/run/netns";

const setting = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8").trim() : "none");

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

function cgroupsBelow(folder: string): string[] {
  const below: string[] = [];
  for (const name of list(folder)) {
    const path = join(folder, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) below.push(path, ...cgroupsBelow(path));
  }
  return below;
}

/** Mount points, deepest last. */
const mounts = (): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .map((path) =>
      path.replaceAll(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    );

function tables(): string[] {
  const nft = Bun.which("nft", { PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
  return nft
    ? Bun.spawnSync([nft, "list", "tables"]).stdout.toString().trim().split("\n").filter(Boolean)
    : [];
}

export function lookAround(): Machine {
  return {
    mounts: mounts(),
    cgroups: cgroupsBelow("/sys/fs/cgroup"),
    links: linkNames(),
    namespaces: [NETNS, "/run/docker/netns"].flatMap((at) => list(at).map((name) => join(at, name))),
    tables: tables(),
    files: [
      ...[...FILES, join(homedir(), ".docker")].filter((path) => existsSync(path)),
      ...list("/dev/shm").map((name) => join("/dev/shm", name)),
    ],
    settings: SETTINGS.map((path) => `${path} ${setting(path)}`),
  };
}

const processesIn = (cgroup: string): boolean => {
  try {
    return readFileSync(join(cgroup, "cgroup.procs"), "utf8") !== "";
  } catch {
    return false;
  }
};

/** `ip netns` mounts its folder on itself the first time it is used. */
export function unmountNetns(before: Machine): void {
  if (before.mounts.includes(NETNS) || !mounts().includes(NETNS) || list(NETNS).length > 0) return;
  Bun.spawnSync(["umount", NETNS]);
}

/** What is there now and was not before, one line each. `folder` is the run's own temporary folder. */
export function leftBehind(before: Machine, folder: string): string[] {
  const now = lookAround();
  const fresh = (what: keyof Machine) => now[what].filter((name) => !before[what].includes(name));
  // Another program's private folder is its own affair, and a cgroup with processes in it is theirs: if they are ours,
  // they are counted as processes.
  const ours = (path: string) => path.startsWith(`${folder}/`) || !/^(\/var)?\/tmp\//.test(path);
  return [
    ...fresh("mounts")
      .filter(ours)
      .map((path) => `mount ${path}`),
    ...fresh("cgroups")
      .filter((path) => !processesIn(path) && !cgroupsBelow(path).some(processesIn))
      .map((path) => `cgroup ${path}`),
    ...fresh("links").map((name) => `network interface ${name}`),
    ...fresh("namespaces").map((path) => `network namespace ${path}`),
    ...fresh("tables").map((name) => `nft ${name}`),
    ...fresh("files").map((path) => `file ${path}`),
    ...fresh("settings").map((value) => `setting ${value}`),
    ...list(folder).map((name) => `temporary file ${join(folder, name)}`),
  ];
}

export interface Process {
  pid: number;
  command: string;
}

/** The living descendants of a process. */
export function descendants(root: number): Process[] {
  const children = new Map<number, number[]>();
  for (const name of list("/proc")) {
    const pid = Number(name);
    if (!pid) continue;
    const [state, parent] = field(pid);
    if (state === undefined || state === "Z") continue;
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), pid]);
  }
  const below = (pid: number): number[] =>
    (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(root).map((pid) => ({ pid, command: commandOf(pid) }));
}

/** State and parent, from `/proc/PID/stat`. */
function field(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
  } catch {
    return [];
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim().slice(0, 200);
  } catch {
    return "";
  }
}

/** Whatever is mounted below the folder, deepest first. */
export function unmountBelow(folder: string): void {
  for (const path of mounts().toReversed())
    if (path.startsWith(`${folder}/`)) Bun.spawnSync(["umount", "-l", path]);
}

/**
 * What dockerd leaves: the host's network namespace mounted under its exec root, at times its containers' files, and
 * its containers' common cgroup, which is removed if nobody is in it.
 */
export function clearAfterDockerd(folder: string): void {
  unmountBelow(folder);
  for (const hierarchy of ["", ...list("/sys/fs/cgroup")]) {
    try {
      rmdirSync(join("/sys/fs/cgroup", hierarchy, "docker"));
    } catch {
      // It is not there, or somebody's.
    }
  }
}

/** It may be a zombie still, where its parent is busy. */
const hasEnded = (pid: number): boolean => ["Z", undefined].includes(field(pid)[0]);

/** Whether a network namespace is one of `makeHosts`, and whoever made it has ended. */
function isOrphanedHost(path: string): boolean {
  const [, maker] = /^\/run\/netns\/tsd-(\d+)-/.exec(path) ?? [];
  return maker !== undefined && hasEnded(Number(maker));
}

/**
 * Takes away what `leftBehind` names, as far as it is ours beyond doubt: mounts, cgroups, hosts of a test's own, and
 * files below `folder`.
 */
export function sweep(left: readonly string[], folder: string): void {
  const named = (kind: string) =>
    left.filter((line) => line.startsWith(`${kind} `)).map((line) => line.slice(kind.length + 1));
  for (const path of named("mount").toReversed())
    if (path.startsWith(`${folder}/`)) Bun.spawnSync(["umount", "-l", path]);
  for (const path of named("network namespace")) {
    if (!isOrphanedHost(path)) continue;
    Bun.spawnSync(["umount", "-l", path]);
    rmSync(path);
  }
  for (const path of named("cgroup").toReversed()) {
    try {
      rmdirSync(path);
    } catch {
      // It is in use, or went by itself.
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
