/**
 * What a stack of daemon, shim, keepers and containers has on the machine: taken before and after, it must be the
 * same. All of it is told apart by the stack's folder, which holds both its roots, and by its containers' ids: other
 * stacks on the machine do not matter. Nothing here runs in the stack's own tree of processes: keepers and what
 * their containers leave are nobody's children.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** A process may end while it is looked at. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

const text = (path: string): string => attempt(() => readFileSync(path, "utf8"), "");
const list = (path: string): string[] => attempt(() => readdirSync(path), []);
const link = (path: string): string => attempt(() => readlinkSync(path), "");

/** Of this process's network namespace: /sys/class/net shows that of whoever mounted it. */
export const linkNames = (): string[] =>
  [...text("/proc/self/net/dev").matchAll(/^ *([^\s:]+):/gm)].map(([, name]) => name!);

export const pids = (): number[] =>
  list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Its words, each with a space behind it. */
export const commandLine = (pid: number): string => text(`/proc/${pid}/cmdline`).replaceAll("\0", " ");

/** What its open files are and how many of each, without the numbers that differ from run to run. */
export function openFiles(pid: number): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const fd of list(`/proc/${pid}/fd`)) {
    const kind = link(`/proc/${pid}/fd/${fd}`)
      .replace(/:\[\d+\]/, "")
      .replace(/[0-9a-f]{24,64}/g, "ID");
    if (kind !== "") kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}

/** Unix sockets that are bound below a folder, as links in /proc/PID/fd name them. */
function socketsBelow(folder: string): Set<string> {
  const found = new Set<string>();
  for (const line of text("/proc/net/unix").split("\n")) {
    const [, , , , , , inode, path] = line.split(/\s+/);
    if (path?.startsWith(`${folder}/`)) found.add(`socket:[${inode}]`);
  }
  return found;
}

/**
 * What a process of another mount namespace has for its root. Its other mounts are no sign of anything: a namespace
 * that was copied from the machine's own shows the machine's, and where mounts propagate (systemd's services) new ones.
 */
function rootOf(pid: number): string {
  if (link(`/proc/${pid}/ns/mnt`) === link("/proc/self/ns/mnt")) return "";
  const lines = text(`/proc/${pid}/mountinfo`).split("\n");
  // The fifth field of proc_pid_mountinfo(5) is where it is mounted.
  return lines.filter((line) => line.split(" ")[4] === "/").join("\n");
}

/** Processes that name the folder or an id: in their words, open files, working folder, root or cgroups. */
export function processesOf(folder: string, ids: Iterable<string> = []): { pid: number; words: string }[] {
  const marks = [`${folder}/`, ...ids];
  const names = (what: string): boolean => marks.some((mark) => what.includes(mark));
  const sockets = socketsBelow(folder);
  const isOurs = (pid: number): boolean =>
    names(commandLine(pid)) ||
    names(text(`/proc/${pid}/cgroup`)) ||
    names(rootOf(pid)) ||
    names(link(`/proc/${pid}/cwd`)) ||
    list(`/proc/${pid}/fd`).some((fd) => {
      const to = link(`/proc/${pid}/fd/${fd}`);
      return sockets.has(to) || names(to);
    });
  return pids()
    .filter((pid) => pid !== process.pid && isOurs(pid))
    .map((pid) => ({ pid, words: commandLine(pid).trim() || text(`/proc/${pid}/comm`).trim() }));
}

/** The shim of an exec root; 0: there is none. */
export function shimOf(execRoot: string): number {
  const words = `ts-shim --exec-root ${execRoot} `;
  const found = pids().filter((pid) => commandLine(pid).includes(words));
  const parentOf = (pid: number): number => Number(/^PPid:\t(\d+)/m.exec(text(`/proc/${pid}/status`))?.[1]);
  // A stage has the shim's words until it is executed.
  return found.find((pid) => !found.includes(parentOf(pid))) ?? 0;
}

/** Cgroups of all hierarchies that bear one of the ids. */
export function cgroupsOf(ids: readonly string[]): string[] {
  const found: string[] = [];
  const walk = (folder: string, depth: number): void => {
    for (const entry of attempt(() => readdirSync(folder, { withFileTypes: true }), [])) {
      if (!entry.isDirectory()) continue;
      const path = join(folder, entry.name);
      if (ids.some((id) => entry.name.includes(id))) found.push(path);
      else if (depth < 6) walk(path, depth + 1);
    }
  };
  walk("/sys/fs/cgroup", 0);
  return found;
}

/** Without the database's own files, whose number is SQLite's business, and what the first network or container leaves for the next. */
function filesBelow(folder: string): string[] {
  return (attempt(() => readdirSync(folder, { recursive: true }), []) as string[])
    .filter((path) => !/tsd\.db-(wal|shm)$|^n\/sysctls\.json$|^netns$|^spare(\/|$)/.test(path))
    .map((path) => join(folder, path))
    .sort();
}

export interface Footprint {
  processes: string[];
  /** In the host's mount namespace. Others, and all other namespaces, end with their last process. */
  mounts: string[];
  cgroups: string[];
  links: string[];
  files: string[];
}

/** `ids`: of all containers that there ever were. */
export function footprint(folder: string, ids: readonly string[]): Footprint {
  const marks = [`${folder}/`, ...ids];
  return {
    processes: processesOf(folder, ids)
      .map(({ words }) => words.replace(/^\S*\//, ""))
      .sort(),
    mounts: text("/proc/self/mountinfo")
      .split("\n")
      .filter((line) => marks.some((mark) => line.includes(mark))),
    cgroups: cgroupsOf(ids),
    // A data root's default bridge is made with its first container and stays, as docker0 does.
    links: linkNames()
      .filter((name) => !/^tsd\d+$/.test(name))
      .sort(),
    files: ["data", "exec"].flatMap((root) => filesBelow(join(folder, root))),
  };
}
