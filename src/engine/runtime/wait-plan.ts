/**
 * What is left to do for a process that runs attached: learn whether it has started, hand signals on, wait, clean up,
 * end with its status. The program that started it goes on as the stage on this plan: a few KB for as long as
 * it runs, where an engine for JavaScript takes 25 MB. It does so as soon as the stage that makes the process is at work:
 * an engine takes as long to go as a container to start.
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT, F } from "../../ffi/file.ts";
import { CLONE, PR, SIG, SIG_HOW } from "../../ffi/process.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import { FRAME, FRAME_SIZE } from "./frame.ts";
import { openHost } from "./inside.ts";
import { SYNC } from "./keeper-steps.ts";
import { flags, named, type Plan, PlanBuilder, STAGE_FD } from "./plan.ts";
import { RECORD_SIZE, STEP_AT } from "./status.ts";
import type { Data, Label, Slot, Value } from "./steps.ts";

/** Where the plan has what it is given. */
export const WAIT_FD = {
  /** The control socket of the stage that makes the process. */
  control: STAGE_FD.control,
  /** This program. */
  program: STAGE_FD.firstPassed,
  /** The stage's status page, and what else it takes to explain a failure and to clean up after it. */
  page: STAGE_FD.firstPassed + 1,
  explanation: STAGE_FD.firstPassed + 2,
} as const;

export interface WaitOptions {
  /** What `ps -o comm` shows. */
  name: string;
  /** Words of the program: tells why the process did not start, and ends; the page and the explanation stay open. */
  tellFailure: readonly string[];
  /** Gets the number of the process. */
  pidFile?: string;
  /** Tells of a container that was killed before it became its command. */
  begins?: {
    /** Of the container in the status page. */
    process: number;
    /** The steps in which it becomes its command. */
    at: readonly number[];
    /** Words of the program: tells of the death, cleans up, and ends. */
    tellDeath: readonly string[];
  };
  /** What remains of the container; nothing for one that is kept, and for an exec. */
  remains?: Remains;
}

export interface Remains {
  /** Removed in this order; one that is not there is fine. */
  cgroups: readonly string[];
  files: readonly string[];
  folder: string;
  /** Words of the program: does the same, however much is left. */
  remove: readonly string[];
  /** Only `remove` can do it: there are hooks. */
  hooks: boolean;
}

export function compileWait(options: WaitOptions): Plan {
  const plan = new PlanBuilder();
  const { name, pidFile, remains, begins } = options;
  const status = plan.slot("exit status");
  const failed = plan.label("it has not started");
  plan.call("prctl", [flags(PR, "PR_SET_NAME"), plan.string(name)], { label: "name the process" });
  plan.call("close_range", [WAIT_FD.explanation + 1, 0xffff_ffff, 0], {
    label: "close what only the start needed",
  });
  const { pid, number } = hearPid(plan, failed);
  if (pidFile !== undefined) writePidFile(plan, pidFile, number, failed);
  const done = [WAIT_FD.control, WAIT_FD.explanation];
  for (const fd of begins ? done : [...done, WAIT_FD.page]) plan.call("close", [fd]);
  plan.add({ op: "wait", pid, slot: status, forward: true, label: "wait for the process" });
  if (begins) lookForDeath(plan, status, begins);
  if (remains) cleanUp(plan, remains);
  plan.call("exit_group", [status], { label: "end with its status" });
  plan.place(failed);
  for (const fd of [WAIT_FD.page, WAIT_FD.explanation])
    plan.call("fcntl", [fd, named("F_SETFD", F.F_SETFD), 0], { label: "leave what explains the failure" });
  execute(plan, options.tellFailure, "tell why it has not started");
  return plan.build();
}

/** Whoever is killed in a step that does not become the command has not become it. */
function lookForDeath(
  plan: PlanBuilder,
  status: Slot,
  { process, at, tellDeath }: NonNullable<WaitOptions["begins"]>,
): void {
  const label = "look how far it came";
  const begun = plan.label("it has become its command");
  plan.unless(status, { equals: 128 + SIG.SIGKILL }, () => plan.jump(begun));
  const record = plan.space(8, "step of the process");
  const step = plan.slot("step of the process");
  plan.call("pread64", [WAIT_FD.page, record, 4, process * RECORD_SIZE + STEP_AT], {
    label,
    tolerate: "all",
  });
  plan.get(record, "i32", { slot: step }, label);
  for (const each of at) plan.jumpWhen(step, { equals: each }, begun);
  execute(plan, tellDeath, "tell of its death");
  plan.place(begun);
}

interface Started {
  pid: Slot;
  /** The same in decimal, and how many digits that is. */
  number: { text: Data; size: Slot };
}

/** The first thing that the stage tells is the number of a process that runs; when it ends without it, none does. */
function hearPid(plan: PlanBuilder, failed: Label): Started {
  const label = "hear of the process";
  const frame = plan.space(FRAME_SIZE, "a frame");
  const got = plan.slot("bytes heard");
  const kind = plan.slot("what is told");
  const pid = plan.slot("pid of the process");
  plan.call("recvfrom", [WAIT_FD.control, frame, FRAME_SIZE, flags(SOCK, "MSG_WAITALL"), 0, 0], {
    label,
    slot: got,
    tolerate: "all",
  });
  goUnless(plan, got, FRAME_SIZE, failed);
  plan.get(plan.part(frame, 0, 4, "what is told"), "i32", { slot: kind }, label);
  goUnless(plan, kind, FRAME.SYNC | (SYNC.pid << 16), failed);
  plan.get(plan.part(frame, 8, 4, "pid of the process"), "i32", { slot: pid }, label);
  const number = { text: plan.space(24, "pid of the process"), size: plan.slot("digits of the pid") };
  plan.add({ op: "put", value: pid, into: number.text, as: "decimal", slot: number.size, label });
  return { pid, number };
}

function goUnless(plan: PlanBuilder, value: Value, equals: number, to: Label): void {
  const right = plan.label("as it should be");
  plan.jumpWhen(value, { equals }, right);
  plan.jump(to);
  plan.place(right);
}

/** Its reader polls for it: it comes whole. */
function writePidFile(
  plan: PlanBuilder,
  path: string,
  { text, size }: Started["number"],
  failed: Label,
): void {
  const slash = path.lastIndexOf("/") + 1;
  const fresh = `${path.slice(0, slash)}.${path.slice(slash)}`;
  writeNew(plan, fresh, text, size, { fd: plan.fd(), failed, mode: 0o644 });
  const renamed = plan.slot("pid file");
  plan.call("renameat2", [AT.AT_FDCWD, plan.string(fresh), AT.AT_FDCWD, plan.string(path), 0], {
    label: `rename ${fresh}`,
    slot: renamed,
    tolerate: "all",
  });
  plan.jumpWhen(renamed, "negative", failed);
}

interface NewFile {
  fd: number;
  failed: Label;
  mode: number;
}

function writeNew(
  plan: PlanBuilder,
  path: string,
  bytes: Data,
  size: Slot,
  { fd, failed, mode }: NewFile,
): void {
  const label = `write ${path}`;
  const result = plan.slot(label);
  const either = { label, slot: result, tolerate: "all" } as const;
  openHost(plan, path, ["O_WRONLY", "O_CREAT", "O_TRUNC", "O_CLOEXEC"], { ...either, fd, mode });
  plan.jumpWhen(result, "negative", failed);
  plan.call("write", [fd, bytes, size], either);
  plan.jumpWhen(result, "negative", failed);
  plan.call("close", [fd], { label });
}

/** This program in the place of the caller. */
function execute(plan: PlanBuilder, words: readonly string[], label: string): void {
  const none = plan.space(8, "no signals");
  plan.call("rt_sigprocmask", [named("SIG_SETMASK", SIG_HOW.SIG_SETMASK), none, 0, 8], {
    label: "unblock signals",
  });
  const empty = flags(AT, "AT_EMPTY_PATH");
  plan.call("execveat", [WAIT_FD.program, plan.string(""), plan.strings(words), plan.strings([]), empty], {
    label,
  });
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
  execute(plan, remains.remove, "execute the program that removes it");
  plan.place(removed);
}
