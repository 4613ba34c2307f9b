/**
 * A container's cgroup as plan steps: made and limited by the first process of the plan, joined by the container's
 * own (design.md, section 4: a single-threaded child that writes 0 costs a thirtieth of a parent that writes a pid).
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT, O, OPEN_HOW_SIZE, RESOLVE } from "../../ffi/file.ts";
import { EngineError } from "../errors.ts";
import { type Cgroup, type CgroupFolder, folderOf, isUnified, unifiedFolder } from "./cgroup-layout.ts";
import { type Limit, limitsV1, limitsV2 } from "./cgroup-limits.ts";
import { attachDeviceProgram, deviceRules, writeDeviceRules } from "./device-rules.ts";
import { openHost, openHow, writeHost } from "./inside.ts";
import type { Crowded } from "./pids-limit.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";
import type { Resources } from "./spec.ts";
import type { KeepStep, Keeps, Slot } from "./steps.ts";

/** In runc's words, who does it between two steps of the container's first process. */
const SETTING = "error setting cgroup config for procHooks process: ";

const CWD = flags(AT, "AT_FDCWD");

/** Makes the folders and writes the limits. */
export function createCgroup(plan: PlanBuilder, fd: number, cgroup: Cgroup, resources: Resources): void {
  const unified = isUnified(cgroup);
  const limits = limitsOf(cgroup, resources);
  const made = plan.slot("cgroup");
  for (const folder of cgroup) {
    if (unified) enableControllers(plan, fd, folder, limits);
    makeFolders(plan, { fd, made }, folder);
  }
  writeLimits(plan, fd, cgroup, limits);
  if (unified) {
    const folder = unifiedFolder(cgroup);
    if (folder) attachDeviceProgram(plan, fd, folder.path, deviceRules(resources.devices));
  } else {
    const devices = folderOf(cgroup, "devices");
    if (devices) writeDeviceRules(plan, fd, devices.path, deviceRules(resources.devices));
  }
}

/** Of a cgroup that has been made. */
export function limitPids(plan: PlanBuilder, fd: number, cgroup: Cgroup, limit: number): void {
  writeLimits(plan, fd, cgroup, limitsOf(cgroup, { pids: { limit } }));
}

const limitsOf = (cgroup: Cgroup, resources: Resources): Limit[] =>
  isUnified(cgroup) ? limitsV2(resources) : limitsV1(resources);

function writeLimits(plan: PlanBuilder, fd: number, cgroup: Cgroup, limits: readonly Limit[]): void {
  const unified = isUnified(cgroup);
  for (const limit of limits) writeLimit(plan, fd, cgroup, limit, unified);
}

/** Every folder from the mount point down to the container's. */
function levels({ mountpoint, path }: CgroupFolder): string[] {
  const all: string[] = [];
  // A plain loop, as all that a start goes through
  for (let end = mountpoint.length; end + 1 < path.length; ) {
    const next = path.indexOf("/", end + 1);
    end = next < 0 ? path.length : next;
    all.push(path.slice(0, end));
  }
  return all;
}

function makeFolder(plan: PlanBuilder, level: string, keeps: Keeps = {}): void {
  const label = `create cgroup ${level}`;
  plan.call("mkdirat", [CWD, plan.string(level), 0o755], { label, tolerate: [ERRNO.EEXIST], ...keeps });
}

function makeFolders(
  plan: PlanBuilder,
  { fd, made }: { fd: number; made: Slot },
  folder: CgroupFolder,
): void {
  const all = levels(folder);
  if (folder.controllers.includes("cpuset")) {
    for (const level of all) {
      makeFolder(plan, level);
      inheritCpuset(plan, fd, level);
    }
    return;
  }
  // The folders above it are nearly always there.
  const [missing, there] = [plan.label("a folder above is missing"), plan.label("the cgroup is there")];
  makeFolder(plan, folder.path, { slot: made, tolerate: [ERRNO.EEXIST, ERRNO.ENOENT] });
  plan.jumpWhen(made, { equals: -ERRNO.ENOENT }, missing);
  plan.jump(there);
  plan.place(missing);
  for (const level of all) makeFolder(plan, level);
  plan.place(there);
}

/** A new version 1 cpuset is empty, and takes no process before it has processors and memory nodes. */
function inheritCpuset(plan: PlanBuilder, fd: number, level: string): void {
  const parent = level.slice(0, level.lastIndexOf("/"));
  const read = plan.slot("cpuset");
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const label = `inherit ${file} of ${parent}`;
    const buffer = plan.page();
    openHost(plan, `${level}/${file}`, ["O_RDONLY", "O_CLOEXEC"], { label, fd });
    plan.call("read", [fd, buffer, buffer.size], { label, slot: read });
    const set = plan.label(`${file} is set`);
    const empty = plan.label(`${file} is empty`);
    plan.jumpWhen(read, { equals: 1 }, empty);
    plan.jumpWhen(read, "not zero", set);
    plan.place(empty);
    openHost(plan, `${parent}/${file}`, ["O_RDONLY", "O_CLOEXEC"], { label, fd });
    plan.call("read", [fd, buffer, buffer.size], { label, slot: read });
    openHost(plan, `${level}/${file}`, ["O_WRONLY", "O_CLOEXEC"], { label, fd });
    plan.call("write", [fd, buffer, read], { label });
    plan.place(set);
  }
}

/**
 * Version 2: a controller works in a folder when its parent hands it down. One that cannot be had fails later, by
 * the file that is missing, if it was asked for.
 */
function enableControllers(
  plan: PlanBuilder,
  fd: number,
  folder: CgroupFolder,
  limits: readonly Limit[],
): void {
  const wanted = new Set([
    "cpu",
    "cpuset",
    "io",
    "memory",
    "pids",
    ...limits.map(({ controller }) => controller),
  ]);
  const all = levels(folder);
  for (const level of all) makeFolder(plan, level);
  for (const level of [folder.mountpoint, ...all.slice(0, -1)]) {
    const path = `${level}/cgroup.subtree_control`;
    for (const controller of wanted)
      writeHost(plan, fd, path, `+${controller}`, `enable ${controller} in ${level}`, "all");
  }
}

function writeLimit(plan: PlanBuilder, fd: number, cgroup: Cgroup, limit: Limit, unified: boolean): void {
  const folder = unified ? unifiedFolder(cgroup) : folderOf(cgroup, limit.controller);
  if (!folder || limit.file.includes("/")) {
    throw new EngineError(
      "invalid",
      `cannot set ${limit.file}: the cgroup controller ${limit.controller} is not there`,
    );
  }
  const write = ({ file, value }: { file: string; value: string }): void => {
    const path = `${folder.path}/${file}`;
    writeHost(plan, fd, path, value, `${SETTING}failed to write ${JSON.stringify(value)}: write ${path}`);
  };
  const { bfq } = limit;
  if (bfq === undefined) {
    write(limit);
    return;
  }
  const there = plan.slot(`${bfq.file} is there`);
  const [missing, written] = [plan.label(`${bfq.file} is missing`), plan.label("the weight is written")];
  const path = plan.string(`${folder.path}/${bfq.file}`);
  plan.call("faccessat", [CWD, path, named("F_OK", 0)], {
    label: `look for ${bfq.file}`,
    slot: there,
    tolerate: [ERRNO.ENOENT],
  });
  plan.jumpWhen(there, "negative", missing);
  write(bfq);
  plan.jump(written);
  plan.place(missing);
  write(limit);
  plan.place(written);
}

/** The folder of the version 2 hierarchy, for CLONE_INTO_CGROUP; -1 without one. */
export function openUnified(plan: PlanBuilder, fd: number, cgroup: Cgroup): number | undefined {
  const folder = unifiedFolder(cgroup);
  if (!folder) return undefined;
  openHost(plan, folder.path, ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], {
    label: `open cgroup ${folder.path}`,
    fd,
  });
  return fd;
}

const BENEATH = flags(
  RESOLVE,
  "RESOLVE_BENEATH",
  "RESOLVE_NO_XDEV",
  "RESOLVE_NO_SYMLINKS",
  "RESOLVE_NO_MAGICLINKS",
);
/** /proc/PID/cgroup, at most: a path has 4096 bytes, and the version 2 line comes last. */
const CGROUP_TEXT = 8192;

/**
 * The cgroup that a container's process has gone to below the container's own: there it may have, and systemd has, a
 * cgroup for every service, and the kernel lets no process into one that hands controllers down. A process that is
 * anywhere else, which is not for the container to choose, is not followed.
 * @source Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint"
 */
export function openInner(
  plan: PlanBuilder,
  { pid, scratch, own, fd }: { pid: number; scratch: number; own: number; fd: number },
  { root = "", mountpoint, path }: CgroupFolder,
): number {
  const label = `find a cgroup of process ${pid} below ${path}`;
  const text = plan.space(CGROUP_TEXT, "its cgroups");
  const rest = plan.slot("path below the cgroup");
  openHost(plan, `/proc/${pid}/cgroup`, ["O_RDONLY", "O_CLOEXEC"], { label, fd: scratch });
  plan.call("read", [scratch, text, text.size - 1], { label });
  const begin = plan.string(`0::${root}${path.slice(mountpoint.length)}/`);
  plan.add({ op: "line", text, begin, slot: rest, label });
  const how = openHow(plan, ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], 0, BENEATH);
  plan.call("openat2", [own, rest, how, OPEN_HOW_SIZE], { label, fd });
  return fd;
}

/** In the child: joins the version 1 hierarchies. The version 2 one it was cloned into. */
export function joinCgroup(plan: PlanBuilder, fd: number, cgroup: Cgroup, crowded?: Crowded): void {
  for (const folder of cgroup) {
    const { version, path } = folder;
    if (version !== 1) continue;
    const join = () =>
      writeHost(plan, fd, `${path}/tasks`, "0", `unable to apply cgroup configuration: join ${path}`);
    if (folder === crowded?.folder) plan.unless(crowded.taken, "not zero", join);
    else join();
  }
}

export type Watch = NonNullable<KeepStep["watches"]>[number];

/** What tells a keeper that the kernel killed something for want of memory. */
export function watchOom(plan: PlanBuilder, cgroup: Cgroup, scratch: { fd: number; slot: Slot }): Watch[] {
  const label = "watch for out of memory";
  const memory = folderOf(cgroup, "memory");
  if (memory) return [watchOomV1(plan, memory.path, scratch, label)];
  const unified = unifiedFolder(cgroup);
  if (!unified) return [];
  const fd = plan.fd();
  const { slot } = scratch;
  openHost(plan, `${unified.path}/memory.events`, ["O_RDONLY", "O_CLOEXEC"], {
    label,
    fd,
    slot,
    tolerate: [ERRNO.ENOENT],
  });
  return [{ fd, kind: "priority" }];
}

/** "EVENTFD OOM_CONTROL" into cgroup.event_control; both numbers are the plan's own, so the text is fixed. */
function watchOomV1(plan: PlanBuilder, path: string, { fd: scratch }: { fd: number }, label: string): Watch {
  const events = plan.fd();
  const control = plan.fd();
  plan.call("eventfd2", [0, flags(O, "O_CLOEXEC", "O_NONBLOCK")], { label, fd: events });
  openHost(plan, `${path}/memory.oom_control`, ["O_RDONLY", "O_CLOEXEC"], { label, fd: control });
  writeHost(plan, scratch, `${path}/cgroup.event_control`, `${events} ${control}`, label);
  plan.call("close", [control], { label });
  return { fd: events, kind: "eventfd" };
}
