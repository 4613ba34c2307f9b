/**
 * What a process is before it executes the command: limits, user, capabilities, labels, seccomp, in runc's order.
 * The same for a container's first process and for an exec.
 * @source config.md "Process"; runc's finalizeNamespace
 */
import { ERRNO } from "../../ffi/errno.ts";
import { O } from "../../ffi/file.ts";
import { PR, RLIM_INFINITY, RLIMIT } from "../../ffi/process.ts";
import { EngineError } from "../errors.ts";
import { dropBoundingSet, setCapabilities } from "./capabilities.ts";
import { openHost, writeHost, writeText } from "./inside.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";
import { refuseForeign } from "./proc-files.ts";
import type { CapabilitySets, Process, Rlimit } from "./spec.ts";

/** 2^64-1 is more than a double can say; what JSON makes of it is 2^64. */
const limitValue = (value: number): bigint => (value < 0 || value >= 2 ** 63 ? RLIM_INFINITY : BigInt(value));

export function setRlimits(plan: PlanBuilder, limits: readonly Rlimit[]): void {
  for (const { type, soft, hard } of limits) {
    const number = (RLIMIT as Record<string, number>)[type];
    if (number === undefined) throw new EngineError("invalid", `invalid rlimit type: ${type}`);
    const pair = plan.struct(16, `{${soft}, ${hard}}`, [
      [0, "u64", limitValue(soft)],
      [8, "u64", limitValue(hard)],
    ]);
    plan.call("prlimit64", [0, named(type, number), pair, 0], {
      label: `error setting rlimit type ${number}`,
    });
  }
}

/** By the host's /proc, so before the root changes. */
export function setOomScore(plan: PlanBuilder, fd: number, score: number): void {
  writeHost(plan, fd, "/proc/self/oom_score_adj", String(score), "failed to write oom_score_adj");
}

export const hasLabel = ({ apparmorProfile, selinuxLabel }: Process): boolean =>
  !!(apparmorProfile || selinuxLabel);

/** The host's /proc, for `openLabelFile`: before the mount namespace or the root is another. */
export function openAttributes(plan: PlanBuilder, process: Process, fd: number): void {
  if (!hasLabel(process)) return;
  openHost(plan, "/proc", ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { label: "open /proc", fd });
}

/**
 * The label that the next execve takes on: a process writes its own. `attr/apparmor` where there is one, since other
 * modules may own `attr/exec`. Below the host's /proc at `proc`, which is closed at once: whatever the container has
 * mounted over its own, this is what is written to (CVE-2019-16884, CVE-2025-52881).
 */
export function openLabelFile(plan: PlanBuilder, process: Process, proc: number, fd: number): void {
  if (!hasLabel(process)) return;
  const label = "open the security label of the process";
  const opened = plan.slot("label file");
  const path = process.apparmorProfile ? "self/attr/apparmor/exec" : "self/attr/exec";
  const write = flags(O, "O_WRONLY", "O_CLOEXEC");
  plan.call("openat", [proc, plan.string(path), write, 0], {
    label,
    fd,
    slot: opened,
    tolerate: [ERRNO.ENOENT, ERRNO.EACCES],
  });
  plan.unless(opened, "not negative", () =>
    plan.call("openat", [proc, plan.string("self/attr/exec"), write, 0], { label, fd }),
  );
  refuseForeign(plan, fd, label);
  plan.call("close", [proc], { label });
}

export function writeLabel(plan: PlanBuilder, process: Process, fd: number): void {
  if (process.apparmorProfile) {
    writeText(
      plan,
      fd,
      `exec ${process.apparmorProfile}`,
      `unable to apply apparmor profile ${JSON.stringify(process.apparmorProfile)}`,
    );
  } else if (process.selinuxLabel) {
    writeText(
      plan,
      fd,
      process.selinuxLabel,
      `can't set process label ${JSON.stringify(process.selinuxLabel)}`,
    );
  }
}

const SCHEDULERS: Record<string, number> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
/** sched_setattr(2) */
const SCHEDULER_FLAGS: Record<string, number> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};
const IO_CLASSES: Record<string, number> = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 };

export function setPriorities(plan: PlanBuilder, process: Process): void {
  const { scheduler, ioPriority } = process;
  if (scheduler) {
    const policy = SCHEDULERS[scheduler.policy];
    if (policy === undefined)
      throw new EngineError("invalid", `invalid scheduler policy: ${scheduler.policy}`);
    let schedulerFlags = 0;
    for (const name of scheduler.flags ?? []) {
      const flag = SCHEDULER_FLAGS[name];
      if (flag === undefined) throw new EngineError("invalid", `invalid scheduler flag: ${name}`);
      schedulerFlags |= flag;
    }
    const attr = plan.struct(48, scheduler.policy, [
      [0, "u32", 48],
      [4, "u32", policy],
      [8, "u64", schedulerFlags],
      [16, "i32", scheduler.nice ?? 0],
      [20, "u32", scheduler.priority ?? 0],
      [24, "u64", scheduler.runtime ?? 0],
      [32, "u64", scheduler.deadline ?? 0],
      [40, "u64", scheduler.period ?? 0],
    ]);
    plan.call("sched_setattr", [0, attr, 0], { label: "error setting scheduler" });
  }
  if (ioPriority) {
    const value = ((IO_CLASSES[ioPriority.class] ?? 0) << 13) | ioPriority.priority;
    plan.call("ioprio_set", [1, 0, named(`${ioPriority.class}:${ioPriority.priority}`, value)], {
      label: "failed to set io priority",
    });
  }
}

/** runc's key ring: a session of its own, so that the host's keys are not inherited; without key rings, none. */
export function joinKeyring(plan: PlanBuilder, id: string): void {
  const serial = plan.slot("session keyring");
  const label = "unable to join session keyring";
  const join = named("KEYCTL_JOIN_SESSION_KEYRING", 1);
  plan.call("keyctl", [join, plan.string(`_ses.${id}`), 0, 0, 0], { label, slot: serial, tolerate: "all" });
  plan.unless(serial, "negative", () => {
    // Possessor everything; the user may view, read, search and link.
    plan.call("keyctl", [named("KEYCTL_SETPERM", 5), serial, named("0x3f1b0000", 0x3f1b0000), 0, 0], {
      label: "unable to mod keyring permissions",
      tolerate: "all",
    });
  });
}

export function setUmask(plan: PlanBuilder, mask: number): void {
  plan.call("umask", [named(`0${mask.toString(8)}`, mask)]);
}

export interface BecomeOptions {
  process: Process;
  /** Descriptors of stdio that are to belong to the user: or it could not open /dev/stdout. */
  own: readonly number[];
}

const LAST_FD = 0xffff_ffff;

/**
 * Closes every fd above 2 but these, before anything of the container's choosing is looked up. Close-on-exec would be
 * too late: while execve resolves the command and its interpreter, `/proc/self/fd/N` still leads wherever a folder
 * of the host's is open (CVE-2024-21626).
 */
export function closeAllBut(plan: PlanBuilder, kept: readonly number[]): void {
  let from = 3;
  for (const fd of [...new Set(kept)].sort((a, b) => a - b)) {
    if (fd > from) closeFds(plan, from, fd - 1);
    from = Math.max(from, fd + 1);
  }
  closeFds(plan, from, LAST_FD);
}

const closeFds = (plan: PlanBuilder, first: number, last: number): void =>
  plan.call("close_range", [first, last, 0], { label: "error closing exec fds" });

/** Folder, user and capabilities; nothing privileged works after it. */
export function becomeUser(plan: PlanBuilder, { process, own }: BecomeOptions): void {
  const user = { ...process.user, uid: process.user?.uid ?? 0, gid: process.user?.gid ?? 0 };
  const sets: CapabilitySets = process.capabilities ?? {};
  const entered = enterFolder(plan, process.cwd);
  dropBoundingSet(plan, sets);
  plan.call("prctl", [flags(PR, "PR_SET_KEEPCAPS"), 1, 0, 0, 0], { label: "unable to set keep caps" });
  setIds(plan, user, own);
  const inFolder = plan.label("in the working directory");
  plan.jumpWhen(entered, "not negative", inFolder);
  plan.call("chdir", [plan.string(process.cwd)], { label: folderLabel(process.cwd) });
  plan.place(inFolder);
  refuseOutside(plan);
  plan.call("prctl", [flags(PR, "PR_SET_KEEPCAPS"), 0, 0, 0, 0], { label: "unable to clear keep caps" });
  setCapabilities(plan, sets);
}

const folderLabel = (cwd: string) => `chdir to cwd (${JSON.stringify(cwd)}) set in config.json failed`;

/** First as root, who may reach what the user cannot; where root may not (NFS, FUSE), again as the user. */
function enterFolder(plan: PlanBuilder, cwd: string) {
  const entered = plan.slot("cwd");
  plan.call("chdir", [plan.string(cwd)], {
    label: folderLabel(cwd),
    slot: entered,
    tolerate: [ERRNO.EACCES, ERRNO.EPERM],
  });
  return entered;
}

/** "(unr…", little endian: how getcwd begins when the folder is not below the root (CVE-2024-21626). */
const UNREACHABLE = 0x726e7528;

function refuseOutside(plan: PlanBuilder): void {
  const buffer = plan.page();
  const start = plan.slot("start of cwd");
  const safe = plan.label("cwd is inside");
  const label = "current working directory is outside of container mount namespace root";
  plan.call("getcwd", [buffer, buffer.size], { label });
  plan.get(plan.part(buffer, 0, 4), "i32", { slot: start }, label);
  const outside = plan.label("cwd is outside");
  plan.jumpWhen(start, { equals: UNREACHABLE }, outside);
  plan.jump(safe);
  plan.place(outside);
  plan.add({ op: "fail", errno: ERRNO.EPERM, label });
  plan.place(safe);
}

/** As for runc. To setresuid(2), 2^32-1 would mean to stay who one is: root. */
const ID_MAX = 2 ** 31 - 1;

function setIds(
  plan: PlanBuilder,
  user: { uid: number; gid: number; additionalGids?: number[] },
  own: readonly number[],
): void {
  const label = "unable to setup user";
  for (const id of [user.uid, user.gid, ...(user.additionalGids ?? [])]) {
    if (!Number.isInteger(id) || id < 0 || id > ID_MAX)
      throw new EngineError("invalid", `${label}: uids and gids must be in range 0-${ID_MAX}`);
  }
  if (user.uid !== 0 || user.gid !== 0) {
    for (const fd of own) plan.call("fchown", [fd, user.uid, 0xffff_ffff], { label, tolerate: "all" });
  }
  const groups = user.additionalGids ?? [];
  const list = plan.struct(
    Math.max(groups.length * 4, 4),
    `[${groups.join(", ")}]`,
    groups.map((gid, i) => [i * 4, "u32", gid] as const),
  );
  // A user namespace in which setgroups is denied has none to give.
  plan.call("setgroups", [groups.length, list], {
    label: `${label}: setgroups`,
    ...(groups.length === 0 && { tolerate: [ERRNO.EPERM] }),
  });
  plan.call("setresgid", [user.gid, user.gid, user.gid], { label: `${label}: setgid` });
  plan.call("setresuid", [user.uid, user.uid, user.uid], { label: `${label}: setuid` });
}

export function setNoNewPrivileges(plan: PlanBuilder): void {
  plan.call("prctl", [flags(PR, "PR_SET_NO_NEW_PRIVS"), 1, 0, 0, 0], { label: "prctl(SET_NO_NEW_PRIVS)" });
}
