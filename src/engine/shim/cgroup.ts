/**
 * What the shim does to a container through its cgroups: freeze it, thaw it, kill all of it. The folders are those
 * that the kernel named when the container started, and only the container's own.
 * @source Documentation/admin-guide/cgroup-v2.rst (cgroup.kill, cgroup.freeze), cgroup-v1/freezer-subsystem.rst
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

const KILL_TIMEOUT_MS = 10_000;
const FREEZE_TIMEOUT_MS = 10_000;

interface CgroupMount {
  /** Of the hierarchy, what is seen there. */
  root: string;
  mountPoint: string;
  /** Controllers or a name; of v2, "" alone. */
  keys: string[];
}

function cgroupMounts(): CgroupMount[] {
  const found: CgroupMount[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [before, after] = line.split(" - ");
    if (after === undefined || !after.startsWith("cgroup")) continue;
    const [, , , root, mountPoint] = before!.split(" ");
    const [type, , options] = after.split(" ");
    found.push({
      root: root!,
      mountPoint: mountPoint!,
      keys: type === "cgroup2" ? [""] : options!.split(","),
    });
  }
  return found;
}

/** Where the kernel has mounted which whole hierarchy: controllers (or the name) → mount point; v2 is "". */
function hierarchies(): Map<string, string> {
  const whole = cgroupMounts().filter(({ root }) => root === "/");
  return new Map(whole.flatMap(({ keys, mountPoint }) => keys.map((key) => [key, mountPoint] as const)));
}

/** `ID`, or as systemd has it `docker-ID.scope`. No id is in every name. */
const bears = (name: string, id: string): boolean =>
  id !== "" && (name === id || name === `${id}.scope` || name.endsWith(`-${id}.scope`));

/**
 * The folders of all cgroups of a process that belong to this container: those that bear its id, never a hierarchy's
 * root.
 */
export function ownCgroups(
  pid: number,
  container: string,
  cgroups = readFileSync(`/proc/${pid}/cgroup`, "utf8"),
): string[] {
  const mounted = hierarchies();
  const folders = new Set<string>();
  for (const line of cgroups.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    // What the container made below its own cgroup belongs to it as well.
    const own = path.split("/").findIndex((part) => bears(part, container));
    const mount = mounted.get(controllers === "" ? "" : controllers!.split(",")[0]!);
    if (own >= 0 && mount !== undefined) folders.add(join(mount, ...path.split("/").slice(0, own + 1)));
  }
  return [...folders];
}

/**
 * Everything in a folder is about to be killed, and the folders come from a file: that of another, a hierarchy's root or
 * one that we are in ourselves is none of the container's.
 * @throws Error
 */
function requireOwn(folders: readonly string[], container: string | undefined): void {
  const roots = new Set(cgroupMounts().map(({ mountPoint }) => mountPoint));
  for (const folder of folders) {
    const named = container === undefined || bears(basename(folder), container);
    const below = [...roots].some((root) => folder.startsWith(`${root}/`));
    if (!named || !below || roots.has(folder) || folder !== resolve(folder))
      throw new Error(`${folder} is no cgroup of ${container ?? "a container"}`);
  }
}

const isV2 = (folder: string): boolean => existsSync(join(folder, "cgroup.controllers"));
const isFreezer = (folder: string): boolean => existsSync(join(folder, "freezer.state"));

function write(folder: string, file: string, value: string): boolean {
  try {
    writeFileSync(join(folder, file), value);
    return true;
  } catch {
    return false;
  }
}

/** The folder and all below it, deepest first. */
function tree(folder: string): string[] {
  try {
    const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...below.flatMap((entry) => tree(join(folder, entry.name))), folder];
  } catch {
    return [];
  }
}

function pids(folder: string): number[] {
  try {
    return readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

const allPids = (folders: string[]): Set<number> => new Set(folders.flatMap(tree).flatMap(pids));

/** Of the folders of one container: each has the same processes. */
export const processesOf = (folders: string[]): number[] => [...allPids(folders.slice(0, 1))];

/** Whether processes are left that outlive the container's first: those of the host's pid namespace do. */
export const inhabited = (folders: string[]): boolean => processesOf(folders).length > 0;

/** Sends a signal to every process of the container. 0 pids: it has none. */
export function signalCgroups(folders: string[], signal: number): number {
  const found = processesOf(folders);
  for (const pid of found) {
    if (pid > 1) trySignal(pid, signal);
  }
  return found.length;
}

function trySignal(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Kills all that is in the container's cgroups, whatever user or namespace it is in, until nothing is. v1 has no
 * `cgroup.kill`: frozen processes cannot fork away from being killed one by one, and die when thawed.
 * @param container its id, which all of the folders have to bear; without, they may have any name
 */
export async function killCgroups(folders: string[], container?: string): Promise<void> {
  const deadline = performance.now() + KILL_TIMEOUT_MS;
  requireOwn(folders, container);
  for (;;) {
    const left = allPids(folders);
    if (left.size === 0) return;
    if (left.has(process.pid)) throw new Error(`this process is in ${folders.join(", ")} itself`);
    if (performance.now() > deadline) throw new Error(`${left.size} processes do not die`);
    const v2 = folders.find((folder) => isV2(folder) && existsSync(join(folder, "cgroup.kill")));
    const freezers = folders.filter(isFreezer).flatMap(tree);
    if (v2 === undefined || !write(v2, "cgroup.kill", "1")) {
      for (const freezer of freezers) write(freezer, "freezer.state", "FROZEN");
      for (const pid of allPids(folders)) if (pid > 1) trySignal(pid, 9);
    }
    // Beside a `cgroup.kill`, too: nothing dies while a freezer of version 1 holds it.
    for (const freezer of freezers) write(freezer, "freezer.state", "THAWED");
    await Bun.sleep(5);
  }
}

/** Freezes or thaws the container; resolves when it is. */
export async function freezeCgroups(folders: string[], frozen: boolean): Promise<void> {
  const v1 = folders.find(isFreezer);
  const v2 = folders.find((folder) => existsSync(join(folder, "cgroup.freeze")));
  const deadline = performance.now() + FREEZE_TIMEOUT_MS;
  if (v1 === undefined && v2 === undefined) throw new Error("there is no freezer cgroup");
  while (performance.now() < deadline) {
    if (v1 !== undefined) {
      const wanted = frozen ? "FROZEN" : "THAWED";
      writeFileSync(join(v1, "freezer.state"), wanted);
      if (readFileSync(join(v1, "freezer.state"), "utf8").trim() === wanted) return;
    } else {
      writeFileSync(join(v2!, "cgroup.freeze"), frozen ? "1" : "0");
      if (/^frozen 1$/m.test(readFileSync(join(v2!, "cgroup.events"), "utf8")) === frozen) return;
    }
    await Bun.sleep(2);
  }
  if (frozen) await freezeCgroups(folders, false);
  throw new Error(frozen ? "it does not freeze" : "it does not thaw");
}

/** False: it is still there, with processes or folders in it. */
function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/**
 * Removes the container's cgroups after its end. What still runs there is killed: in the host's pid namespace,
 * processes outlive the first one.
 * @param container as with `killCgroups`
 */
export async function removeCgroups(folders: string[], container?: string): Promise<void> {
  // Nearly always they are empty, and this is all.
  let left = folders.filter((folder) => !removed(folder));
  for (let attempt = 0; left.length > 0; attempt++) {
    await killCgroups(left, container);
    left = left.filter((folder) => tree(folder).filter((each) => !removed(each)).length > 0);
    if (left.length === 0) return;
    if (attempt === 100) throw new Error(`${left.join(", ")} cannot be removed`);
    // Zombies take a moment to leave.
    await Bun.sleep(Math.min(attempt, 20));
  }
}

/** Removes the folder that our containers' have in common, once the last is gone. */
export function removeParents(folders: Iterable<string>): void {
  for (const folder of folders) if (basename(folder) === "tsd") removed(folder);
}
