/**
 * Into a pid namespace that others are in already. Whoever is there sees a process from its clone on, and with
 * CAP_SYS_PTRACE reaches whatever it has: its memory, its fds, its root, its mount namespace. So what is made ready for
 * it is made by a process outside, and what enters has nothing of the host's any more.
 * @source setns(2), pid_namespaces(7), ptrace(2); CVE-2016-9962
 */
import { ERRNO } from "../../ffi/errno.ts";
import { FSOPEN, MS } from "../../ffi/mount.ts";
import { CLONE } from "../../ffi/process.ts";
import { openHost } from "./inside.ts";
import { pair } from "./io.ts";
import { attach, newMount } from "./mounts.ts";
import { namespaceFlag } from "./namespaces.ts";
import type { Crowded } from "./pids-limit.ts";
import { dataAt, flags, named, PLAN_BASE, type PlanBuilder } from "./plan.ts";
import { closeAllBut } from "./process-setup.ts";
import { pivotRoot } from "./rootfs.ts";
import type { Data, Tolerate } from "./steps.ts";

/** Far from the plan, and from where the kernel puts what has no address. */
const SHARED_AT = 0x5000_0000;
const PAGE = 4096;

/** A word that the first process shares with the one that clones the process proper, which does not inherit it. */
export function shareMemory(plan: PlanBuilder): Data {
  const access = named("PROT_READ|PROT_WRITE", 3);
  const how = named("MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE", 0x10_0021);
  const label = "share memory with the joiner";
  plan.call("mmap", [named("SHARED_AT", SHARED_AT), PAGE, access, how, -1, 0], { label });
  return dataAt(SHARED_AT - PLAN_BASE, 4, "shared pid");
}

export interface CloneInside {
  told: Data;
  /** The parent goes on when the process has executed. */
  vfork: boolean;
  /** Where there may be no room: -EAGAIN is told then; and who is traced does not wait for the process. */
  crowded?: Crowded | undefined;
}

/**
 * In the process that made everything ready, and has closed what is not for the process: clones that into the pid
 * namespace which it set for its children, as a child of its own parent, and ends. What is added next are the
 * process's steps.
 */
export function cloneInside(plan: PlanBuilder, { told, vfork, crowded }: CloneInside): void {
  plan.call("madvise", [named("SHARED_AT", SHARED_AT), PAGE, named("MADV_DONTFORK", 10)], {
    label: "share no memory with the process",
  });
  const child = plan.label("the process");
  const pid = plan.slot("pid of the process, for the joiner");
  const clone = (vfork: boolean, tolerate?: Tolerate): void =>
    plan.add({
      op: "clone",
      label: "clone the process",
      flags: flags(CLONE, ...(vfork ? (["CLONE_VFORK"] as const) : []), "CLONE_PARENT"),
      child,
      process: 2,
      slot: pid,
      ...(tolerate && { tolerate }),
    });
  const cloned = plan.label("the process is cloned");
  if (crowded) {
    plan.unless(crowded.taken, "zero", () => {
      clone(false);
      plan.jump(cloned);
    });
    clone(vfork, [ERRNO.EAGAIN]);
  } else clone(vfork);
  plan.place(cloned);
  plan.put(pid, told, "u32", "tell the pid");
  plan.call("exit_group", [0], { label: "end the joiner" });
  plan.place(child);
}

export interface ProcOptions {
  /** Of the pid namespace that the proc file system is to show. */
  namespace: number;
  fd: number;
  noPivot: boolean;
  label: string;
}

/**
 * `fsopen("proc")` for a pid namespace: the kernel takes that of who opens it. He is in there for this one call, with
 * an empty root in a mount namespace of his own, and where there are user namespaces without any rights outside of one.
 */
export function openProc(plan: PlanBuilder, { namespace, fd, noPivot, label }: ProcOptions): void {
  const [ours, theirs] = [plan.fd(), plan.fd()];
  pair(plan, "socketpair", ours, theirs);
  const guide = plan.label("who lets one in");
  const pid = plan.slot("pid of who lets one in");
  const received = plan.label("the file system is received");
  plan.add({
    op: "clone",
    label,
    flags: flags(CLONE, "CLONE_VFORK", "CLONE_NEWNS"),
    child: guide,
    process: 3,
    slot: pid,
  });
  plan.add({ op: "wait", pid, slot: plan.slot("its status"), label });
  plan.add({ op: "receive", socket: ours, fd, label });
  plan.call("close_range", [Math.min(ours, theirs), Math.max(ours, theirs), 0], { label });
  plan.jump(received);

  plan.place(guide);
  enterEmptyRoot(plan, noPivot, label);
  plan.call("setns", [namespace, namespaceFlag("pid")], { label });
  closeAllBut(plan, [theirs]);
  const inside = plan.label("who opens it");
  const opener = plan.slot("pid of who opens it");
  const clone = (more: readonly (keyof typeof CLONE & string)[], tolerate?: "all"): void =>
    plan.add({
      op: "clone",
      label,
      flags: flags(CLONE, "CLONE_VFORK", ...more),
      child: inside,
      process: 4,
      slot: opener,
      ...(tolerate && { tolerate }),
    });
  clone(["CLONE_NEWUSER", "CLONE_NEWNS"], "all");
  plan.unless(opener, "not negative", () => clone([]), "it is there");
  // Or it would be left to the namespace's own first process.
  plan.add({ op: "wait", pid: opener, slot: plan.slot("its status"), label });
  plan.call("exit_group", [0], { label });

  plan.place(inside);
  plan.call("fsopen", [plan.string("proc"), flags(FSOPEN, "FSOPEN_CLOEXEC")], { label, fd });
  plan.add({ op: "pass", socket: theirs, send: fd, label });
  plan.call("exit_group", [0], { label });
  plan.place(received);
}

/** In a new mount namespace. */
function enterEmptyRoot(plan: PlanBuilder, noPivot: boolean, label: string): void {
  const [empty, root] = [plan.fd(), plan.fd()];
  plan.call("mount", [0, plan.string("/"), 0, MS.MS_PRIVATE | MS.MS_REC, 0], { label });
  newMount(plan, { type: "tmpfs", source: "tmpfs", data: [], attributes: 0 }, empty, label);
  openHost(plan, "/", ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { label, fd: root });
  attach(plan, empty, root, label);
  pivotRoot(plan, empty, { noPivot });
}
