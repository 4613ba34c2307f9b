/**
 * Into a cgroup whose pids limit is reached. The kernel refuses a clone there, but never a move: so the process is
 * cloned outside, and moved. The container sees it from its clone on, and what may trace could write into it before it
 * is moved; so it stands still until then, traced by the first process from its very beginning.
 * @source Documentation/admin-guide/cgroup-v2.rst, "PID"; ptrace(2)
 */
import { ERRNO } from "../../ffi/errno.ts";
import { O } from "../../ffi/file.ts";
import { PTRACE, PTRACE_O, WAIT } from "../../ffi/process.ts";
import { type Cgroup, type CgroupFolder, folderOf, isUnified, unifiedFolder } from "./cgroup-layout.ts";
import { openHost } from "./inside.ts";
import { flags, type PlanBuilder } from "./plan.ts";
import { Pipe } from "./process-pipe.ts";
import type { Label, Slot } from "./steps.ts";

/** Of a plan that can go both ways. */
export interface Crowded {
  /** Not zero in whoever goes this way. */
  readonly taken: Slot;
  /** In the first process, where there was no room for a clone. */
  readonly label: Label;
  /** Its processes are counted: joined by a move alone. */
  readonly folder: CgroupFolder;
}

/** None where nothing counts processes. */
export function prepareCrowded(plan: PlanBuilder, cgroup: Cgroup): Crowded | undefined {
  const folder = isUnified(cgroup) ? unifiedFolder(cgroup) : folderOf(cgroup, "pids");
  if (!folder) return undefined;
  const name = "there is no room for a clone";
  return { taken: plan.slot(name), label: plan.label(name), folder };
}

export interface CrowdedSteps {
  /** Gets the number of the joiner, then that of the process. */
  pid: Slot;
  scratch: number;
  /** Clones the joiner, and does not wait for it. */
  clone: () => void;
  /** Where the unified cgroup counts: its folder, and what opens one that takes processes in its place. */
  unified?: { own: number; openInner: () => number };
  /** Where the first process goes on when the process has executed. */
  ready: Label;
}

export interface CrowdedPipes {
  /** The joiner waits at it until it is traced. */
  go: Pipe;
  /** The process has its write end until it executes. */
  alive: Pipe;
}

/** In the first process, where no other step leads to. */
export function enterCrowded(
  plan: PlanBuilder,
  { taken, label: begin, folder }: Crowded,
  { pid, scratch, clone, unified, ready }: CrowdedSteps,
): CrowdedPipes {
  const label = "hold the process until it is in the container's cgroup";
  plan.place(begin);
  plan.get(plan.struct(8, "1", [[0, "u64", 1]]), "u64", { slot: taken }, begin.name);
  const pipes = { go: new Pipe(plan), alive: new Pipe(plan) };
  clone();
  // What it clones is traced as well, stands still, and ends with us.
  const options = flags(PTRACE_O, "PTRACE_O_TRACECLONE", "PTRACE_O_EXITKILL");
  plan.call("ptrace", [flags(PTRACE, "PTRACE_SEIZE"), pid, 0, options], { label });
  pipes.go.send(plan);
  const waitForStop = (): void => plan.call("wait4", [pid, 0, flags(WAIT, "__WALL"), 0], { label });
  waitForStop();
  plan.add({ op: "check", label: "the joiner failed" });
  const message = plan.space(8, "pid of the process");
  plan.call("ptrace", [flags(PTRACE, "PTRACE_GETEVENTMSG"), pid, 0, message], { label });
  plan.call("ptrace", [flags(PTRACE, "PTRACE_DETACH"), pid, 0, 0], { label: "let the joiner end" });
  plan.get(message, "i32", { slot: pid }, "learn the pid");
  waitForStop();
  move(plan, { pid, folder, scratch, unified });
  plan.call("ptrace", [flags(PTRACE, "PTRACE_DETACH"), pid, 0, 0], { label: "let the process go on" });
  pipes.alive.waitForEnd(plan);
  plan.jump(ready);
  return pipes;
}

interface Move extends Pick<CrowdedSteps, "pid" | "scratch"> {
  folder: CgroupFolder;
  unified: CrowdedSteps["unified"];
}

function move(plan: PlanBuilder, { pid, folder, scratch, unified }: Move): void {
  const label = "move the process into the container's cgroup";
  const file = "cgroup.procs";
  const digits = plan.space(24, "pid of the process");
  const size = plan.slot("digits of the pid");
  plan.add({ op: "put", value: pid, into: digits, as: "decimal", slot: size, label });
  if (!unified) {
    openHost(plan, `${folder.path}/${file}`, ["O_WRONLY", "O_CLOEXEC"], { label, fd: scratch });
    plan.call("write", [scratch, digits, size], { label });
    return;
  }
  const open = (at: number): void =>
    plan.call("openat", [at, plan.string(file), flags(O, "O_WRONLY", "O_CLOEXEC"), 0], {
      label,
      fd: scratch,
    });
  const moved = plan.slot("moved");
  open(unified.own);
  plan.call("write", [scratch, digits, size], { label, slot: moved, tolerate: [ERRNO.EBUSY] });
  plan.unless(moved, "not negative", () => {
    open(unified.openInner());
    plan.call("write", [scratch, digits, size], { label });
  });
}

/** In the joiner: before it does anything. */
export function waitUntilTraced(plan: PlanBuilder, { taken }: Crowded, { go }: CrowdedPipes): void {
  plan.unless(taken, "zero", () => go.receive(plan));
}
