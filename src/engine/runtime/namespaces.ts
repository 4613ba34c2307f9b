/**
 * Namespaces: which are new, which are joined, and in which process of the plan that has to happen.
 * @source config-linux.md "Namespaces"; namespaces(7), user_namespaces(7)
 */
import { O } from "../../ffi/file.ts";
import { CLONE } from "../../ffi/process.ts";
import { EngineError } from "../errors.ts";
import { openHost, openProcess, writeText } from "./inside.ts";
import { flags, type PlanBuilder } from "./plan.ts";
import type { IdMapping, Linux, Namespace, NamespaceType } from "./spec.ts";
import type { Named, Slot } from "./steps.ts";

const FLAGS = {
  user: "CLONE_NEWUSER",
  mount: "CLONE_NEWNS",
  pid: "CLONE_NEWPID",
  network: "CLONE_NEWNET",
  ipc: "CLONE_NEWIPC",
  uts: "CLONE_NEWUTS",
  cgroup: "CLONE_NEWCGROUP",
  time: "CLONE_NEWTIME",
} as const satisfies Record<NamespaceType, keyof typeof CLONE>;

export interface NamespacePlan {
  readonly list: readonly Namespace[];
  /** For clone3. */
  readonly cloneFlags: readonly (keyof typeof CLONE & string)[];
  /** Opened by the first process; joined by the child. */
  readonly joined: readonly { readonly type: NamespaceType; readonly fd: number; readonly path: string }[];
  /** The one among them that only children come to be in, when all is ready for them (pid-namespace.ts). */
  readonly joinedPid: number | undefined;
  has(type: NamespaceType): boolean;
  isNew(type: NamespaceType): boolean;
}

export function namespaceFlag(type: NamespaceType): Named {
  return flags(CLONE, FLAGS[type]);
}

/** Fds of the stage, pidfds, by the number of the process: setns takes them, and they never mean another process. */
export type Pidfds = ReadonlyMap<number, number>;

/** The process whose namespace a path names. */
export function processOfNamespace({ path }: Namespace): number | undefined {
  const pid = /^\/proc\/(\d+)\/ns\/\w+$/.exec(path ?? "")?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** What the stage was given for it. */
export interface GivenNamespaces {
  /** Of processes whose namespaces are joined; without, those are opened by their paths. */
  pidfds?: Pidfds;
  /** Of a network namespace with `lo` up that nobody else has: the new one is this. */
  bareNetwork?: number;
}

/** In the first process: opens what is joined, and sets the time namespace, which only children can be in. */
export function openNamespaces(
  plan: PlanBuilder,
  linux: Linux,
  { pidfds, bareNetwork }: GivenNamespaces = {},
): NamespacePlan {
  const list = linux.namespaces ?? [];
  const seen = new Set<string>();
  for (const { type } of list) {
    if (!(type in FLAGS))
      throw new EngineError("invalid", `namespace ${JSON.stringify(type ?? "")} does not exist`);
    if (seen.has(type))
      throw new EngineError("invalid", `malformed spec file: duplicated ns ${JSON.stringify(type)}`);
    seen.add(type);
  }
  const isGiven = (type: NamespaceType) => type === "network" && bareNetwork !== undefined;
  const isNew = (type: NamespaceType) =>
    !isGiven(type) && list.some((entry) => entry.type === type && !entry.path);
  const joined: { type: NamespaceType; fd: number; path: string }[] = [];
  if (bareNetwork !== undefined) joined.push({ type: "network", fd: bareNetwork, path: "made ahead" });
  for (const namespace of list) {
    const { type, path } = namespace;
    if (!path) continue;
    refuseUnsupported(type, isNew("user"));
    const held = pidfds?.get(processOfNamespace(namespace) ?? -1);
    const fd = held ?? plan.fd();
    const label = `open ${type} namespace ${path}`;
    if (held === undefined) openHost(plan, path, ["O_RDONLY", "O_CLOEXEC"], { label, fd });
    if (type === "time") {
      plan.call("setns", [fd, namespaceFlag(type)], { label: `join ${type} namespace ${path}` });
    } else joined.push({ type, fd, path });
  }
  if (isNew("time")) unshareTime(plan, linux);
  const cloneFlags: NamespacePlan["cloneFlags"][number][] = [];
  for (const { type, path } of list)
    if (!path && !isGiven(type) && type !== "cgroup" && type !== "time") cloneFlags.push(FLAGS[type]);
  const joinedPid = fdOf(joined, "pid");
  return { list, cloneFlags, joined, joinedPid, has: (type) => seen.has(type), isNew };
}

function fdOf(joined: NamespacePlan["joined"], wanted: NamespaceType): number | undefined {
  for (const { type, fd } of joined) if (type === wanted) return fd;
  return undefined;
}

function refuseUnsupported(type: NamespaceType, newUser: boolean): void {
  if (type === "mount")
    throw new EngineError("notImplemented", "joining a mount namespace by its path is not supported yet");
  if (type === "user")
    throw new EngineError("notImplemented", "joining a user namespace by its path is not supported yet");
  if (newUser && type !== "network") {
    throw new EngineError(
      "notImplemented",
      `joining a ${type} namespace from a new user namespace is not supported yet`,
    );
  }
}

/** Children of the caller are in the new one; its clocks can be set until the first of them is there. */
function unshareTime(plan: PlanBuilder, { timeOffsets = {} }: Linux): void {
  const label = "unshare the time namespace";
  plan.call("unshare", [namespaceFlag("time")], { label });
  const lines = Object.entries(timeOffsets).map(
    ([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`,
  );
  if (lines.length === 0) return;
  const fd = plan.fd();
  openHost(plan, "/proc/self/timens_offsets", ["O_WRONLY", "O_CLOEXEC"], { label, fd });
  writeText(plan, fd, lines.join(""), "set the offsets of the time namespace");
}

/** In the child, before anything else of its namespaces is used. */
export function joinNamespaces(plan: PlanBuilder, namespaces: NamespacePlan): void {
  for (const { type, fd, path } of namespaces.joined) {
    if (type === "cgroup" || type === "pid") continue;
    plan.call("setns", [fd, namespaceFlag(type)], { label: `join ${type} namespace ${path}` });
  }
}

/** In the child, once it is in its cgroup: which is the root of what a new cgroup namespace shows. */
export function enterCgroupNamespace(plan: PlanBuilder, namespaces: NamespacePlan): void {
  const joined = fdOf(namespaces.joined, "cgroup");
  if (joined !== undefined)
    plan.call("setns", [joined, namespaceFlag("cgroup")], { label: "join cgroup namespace" });
  else if (namespaces.isNew("cgroup"))
    plan.call("unshare", [namespaceFlag("cgroup")], { label: "unshare the cgroup namespace" });
}

/** In the first process: writes the maps of the child's new user namespace. */
export function mapIds(plan: PlanBuilder, linux: Linux, child: { pid: Slot; scratch: number }): void {
  const folder = plan.fd();
  openProcess(plan, child.pid, { label: "open /proc/PID", scratch: child.scratch, fd: folder });
  writeMap(plan, folder, child.scratch, "gid_map", linux.gidMappings);
  writeMap(plan, folder, child.scratch, "uid_map", linux.uidMappings);
}

function writeMap(
  plan: PlanBuilder,
  folder: number,
  fd: number,
  file: string,
  mappings: readonly IdMapping[] = [],
): void {
  if (mappings.length === 0)
    throw new EngineError("invalid", "User namespaces enabled, but no uid or gid mapping found.");
  const text = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
  const label = `write ${file} of the user namespace`;
  plan.call("openat", [folder, plan.string(file), flags(O, "O_WRONLY", "O_CLOEXEC"), 0], { label, fd });
  writeText(plan, fd, text, label);
}

/** In the child, when its maps are written: its root is the namespace's. */
export function becomeMappedRoot(plan: PlanBuilder): void {
  const label = "become root of the user namespace";
  plan.call("setresgid", [0, 0, 0], { label });
  plan.call("setresuid", [0, 0, 0], { label });
  plan.call("setgroups", [0, 0], { label });
}
