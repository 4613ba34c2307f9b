/**
 * What is left to do for a container that runs attached: hand signals on, wait, clean up, end with its status. The
 * program that started it goes on as the stage on this plan: a few KB for as long as the container runs, where an
 * engine for JavaScript takes 25 MB, and nothing to tear down when it has ended.
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT } from "../../ffi/file.ts";
import { CLONE, PR, SIG_HOW } from "../../ffi/process.ts";
import { flags, named, type Plan, PlanBuilder, STAGE_FD } from "./plan.ts";
import type { Data } from "./steps.ts";

/** Where the plan has the program that knows how to remove a container. */
export const PROGRAM_FD = STAGE_FD.control;

export interface WaitOptions {
  /** What `ps -o comm` shows. */
  name: string;
  /** What remains of the container; nothing for one that is kept. */
  remains?: Remains;
}

export interface Remains {
  /** Removed in this order; one that is not there is fine. */
  cgroups: readonly string[];
  files: readonly string[];
  folder: string;
  /** Of the program at {@link PROGRAM_FD}: does the same, however much is left. */
  remove: readonly string[];
  /** Only `remove` can do it: there are hooks. */
  hooks: boolean;
}

export interface WaitPlan {
  plan: Plan;
  /** Where the number (u32) of the process belongs, a child of the waiting one: it is not known yet. */
  pid: Data;
}

export function compileWait({ name, remains }: WaitOptions): WaitPlan {
  const plan = new PlanBuilder();
  const status = plan.slot("exit status");
  const process = plan.slot("pid of the container");
  const pid = plan.space(4, "pid of the container");
  plan.call("prctl", [flags(PR, "PR_SET_NAME"), plan.string(name)], { label: "name the process" });
  plan.call("close_range", [PROGRAM_FD + 1, 0xffff_ffff, 0], { label: "close what only the start needed" });
  plan.get(pid, "i32", { slot: process });
  plan.add({ op: "wait", pid: process, slot: status, forward: true, label: "wait for the container" });
  if (remains) cleanUp(plan, remains);
  plan.call("exit_group", [status], { label: "end with its status" });
  return { plan: plan.build(), pid };
}

function cleanUp(plan: PlanBuilder, remains: Remains): void {
  const program = plan.label("remove it by program");
  const removed = plan.label("removed");
  if (!remains.hooks) {
    const result = plan.slot("result");
    const unlink = (path: string, how: number): void => {
      plan.call("unlinkat", [AT.AT_FDCWD, plan.string(path), how], {
        label: `remove ${path}`,
        slot: result,
        tolerate: "all",
      });
    };
    for (const path of remains.cgroups) {
      unlink(path, AT.AT_REMOVEDIR);
      const next = plan.label(`after ${path}`);
      plan.jumpWhen(result, { equals: -ERRNO.ENOENT }, next);
      // Processes are left in it, or cgroups of theirs.
      plan.jumpWhen(result, "negative", program);
      plan.place(next);
    }
    for (const path of remains.files) unlink(path, 0);
    unlink(remains.folder, AT.AT_REMOVEDIR);
    plan.jumpWhen(result, "not negative", removed);
  }
  plan.place(program);
  const child = plan.label("the program");
  const pid = plan.slot("pid of the program");
  plan.add({
    op: "clone",
    label: "start the program that removes it",
    flags: flags(CLONE, "CLONE_VFORK"),
    child,
    process: 1,
    slot: pid,
  });
  plan.add({ op: "wait", pid, slot: plan.slot("its status"), label: "wait until it is removed" });
  plan.jump(removed);
  plan.place(child);
  const none = plan.space(8, "no signals");
  plan.call("rt_sigprocmask", [named("SIG_SETMASK", SIG_HOW.SIG_SETMASK), none, 0, 8], {
    label: "unblock signals",
  });
  const argv = plan.strings(remains.remove);
  const empty = flags(AT, "AT_EMPTY_PATH");
  plan.call("execveat", [PROGRAM_FD, plan.string(""), argv, plan.strings([]), empty], {
    label: "execute the program that removes it",
  });
  plan.place(removed);
}
