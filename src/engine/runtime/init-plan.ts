/**
 * `--init`: a reaping pid 1 above the container's command. The container's first process executes the stage a
 * second time, with the command line that `ps` is to show, on a small plan of its own: start the command, then
 * REAP. So pid 1's memory has nothing of the host's plan, and it runs with the container's user, capabilities and
 * seccomp filter, as the command does.
 */
import { ERRNO, errnoMessage, errnoName } from "../../ffi/errno.ts";
import { AT, F, MFD, O } from "../../ffi/file.ts";
import { CLONE, PR, SIG_HOW } from "../../ffi/process.ts";
import { TIO } from "../../ffi/socket-flags.ts";
import { encodePlan } from "./encode.ts";
import { flags, named, type Plan, PlanBuilder, STAGE_FD } from "./plan.ts";
import type { Condition, Data, Value } from "./steps.ts";

export interface InitOptions {
  /** What `ps` shows: `/sbin/docker-init -- CMD …`. */
  argv: readonly string[];
  env: readonly string[];
  /** Adds the steps that execute the command, in the child; a failure of theirs is a failure of the nested plan. */
  command(b: PlanBuilder): void;
}

/** Where the nested plan has the `ready` pipe; its fds from 3 on are gone once the command runs. */
const READY_FD = STAGE_FD.control;

/** How a prepared init is executed. */
export interface ExecuteInit {
  /** What has to be open until then. */
  readonly fds: readonly number[];
  execute(ready?: number): void;
}

/**
 * Adds the steps that need the host's /proc and `memfd_create`: before `pivot_root`. The `execute` that it returns
 * adds the last steps, in place of `execve`: after seccomp, and after `close_range`. The fd `ready`, if given, stays
 * open until the command has been executed or that has failed: the write end of a pipe whose end of file its
 * reader waits for, with a CHECK after it.
 */
export function prepareInit(b: PlanBuilder, options: InitOptions): ExecuteInit {
  const plan = initPlan(options);
  b.nest(plan);
  const bytes = encodePlan(plan, { nested: true });
  const program = b.fd();
  const memory = b.fd();
  b.call("openat", [AT.AT_FDCWD, b.string("/proc/self/exe"), flags(O, "O_PATH", "O_CLOEXEC")], {
    fd: program,
    label: "open the stage for init",
  });
  b.call("memfd_create", [b.string("ts-plan"), flags(MFD, "MFD_CLOEXEC", "MFD_ALLOW_SEALING")], {
    fd: memory,
    label: "make the plan of init",
  });
  const data = b.bytes(bytes, `[plan of init, ${bytes.length} bytes]`);
  b.call("write", [memory, data, bytes.length], { label: "write the plan of init" });
  const seals = flags(F, "F_SEAL_SEAL", "F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE");
  b.call("fcntl", [memory, named("F_ADD_SEALS", F.F_ADD_SEALS), seals], { label: "seal the plan of init" });

  const execute = (ready?: number): void => {
    b.call("dup3", [memory, STAGE_FD.plan, 0], { label: "hand the plan to init" });
    // Init tells of its steps in the same status page
    b.call("fcntl", [STAGE_FD.status, named("F_SETFD", F.F_SETFD), 0], {
      label: "hand the status page to init",
    });
    if (ready === undefined) b.call("close", [READY_FD], { tolerate: "all" });
    else b.call("dup3", [ready, READY_FD, 0], { label: "hand the ready pipe to init" });
    const empty = flags(AT, "AT_EMPTY_PATH");
    const argv = b.strings(options.argv);
    b.call(
      "execveat",
      [program, b.string(""), argv, b.strings(options.env, `[${options.env.length} variables]`), empty],
      {
        label: `exec ${JSON.stringify(options.argv[0] ?? "")}`,
      },
    );
  };
  return { fds: [STAGE_FD.status, program, memory], execute };
}

/** What pid 1 does. */
export function initPlan({ argv, command }: InitOptions): Plan {
  const b = new PlanBuilder();
  const name = (argv[0] ?? "init").split("/").pop() ?? "init";
  // execveat by fd makes the name of a memfd out of it
  b.call("prctl", [named("PR_SET_NAME", PR.PR_SET_NAME), b.string(name.slice(0, 15))], {
    label: "name init",
  });
  superviseCommand(b, { command, reap: {} });
  return b.build();
}

export interface Supervision {
  command(b: PlanBuilder): void;
  reap: { group?: boolean; warn?: boolean; remap?: readonly number[] };
}

/** Starts the command in a process group of its own, in the foreground of the terminal if there is one, and reaps. */
export function superviseCommand(b: PlanBuilder, { command, reap }: Supervision): void {
  const blocked = b.struct(8, "all signals", [[0, "u64", -1n]]);
  const none = b.space(8, "no signals");
  const setMask = named("SIG_SETMASK", SIG_HOW.SIG_SETMASK);
  b.call("rt_sigprocmask", [setMask, blocked, 0, 8], { label: "block signals until init waits for them" });
  const pid = b.slot("command");
  const child = b.label("command");
  b.add({
    op: "clone",
    flags: flags(CLONE, "CLONE_VFORK"),
    child,
    process: 1,
    slot: pid,
    label: "start the command",
  });
  b.call("close_range", [3, named("~0", 0xffff_ffff), 0], { label: "close what only the start needed" });
  b.add({ op: "reap", pid, label: "reap", ...reap });

  b.place(child);
  const self = b.slot("self");
  const group = b.space(4, "process group");
  b.call("setpgid", [0, 0], { label: "make a process group", tolerate: "all" });
  b.call("getpid", [], { slot: self });
  b.put(self, group, "u32", "note the process group");
  // Without a terminal: ENOTTY. SIGTTOU is still blocked here
  const foreground = named("TIOCSPGRP", TIO.TIOCSPGRP);
  b.call("ioctl", [0, foreground, group], { label: "take the terminal's foreground", tolerate: "all" });
  b.call("rt_sigprocmask", [setMask, none, 0, 8], { label: "unblock signals" });
  command(b);
}

export interface CommandLine {
  /** Where it may be, in order: what PATH makes of its first word. */
  paths: readonly string[];
  argv: readonly string[];
  envp: Data;
  /** What init calls itself on stderr. */
  init: string;
}

/**
 * As tini does: the container has started, so what is wrong with the command is said on its stderr, and its exit
 * status is a shell's. Goes on where execvp(3) would.
 */
export function executeOrTell(b: PlanBuilder, { paths, argv, envp, init }: CommandLine): void {
  const name = argv[0] ?? "";
  const result = b.slot("execve");
  const denied = b.slot("denied");
  const yes = b.struct(8, "1", [[0, "u64", 1]]);
  const told = b.label("told");
  const words = b.strings(argv);
  for (const path of paths) {
    const next = b.label(`not ${path}`);
    b.call("execve", [b.string(path), words, envp], { slot: result, tolerate: "all", label: `exec ${path}` });
    for (const errno of [ERRNO.ENOENT, ERRNO.ENOTDIR]) b.jumpWhen(result, { equals: -errno }, next);
    b.unless(result, { equals: -ERRNO.EACCES }, () => b.jump(told), "denied");
    b.get(yes, "u64", { slot: denied }, "note that one is there");
    b.place(next);
  }
  tellWhen(b, denied, { equals: 1 }, { init, name, errno: ERRNO.EACCES, status: 126 });
  tellWhen(b, 0, "zero", { init, name, errno: ERRNO.ENOENT, status: 127 });
  b.place(told);
  for (const errno of [ERRNO.ENOEXEC, ERRNO.E2BIG, ERRNO.EPERM, ERRNO.ETXTBSY, ERRNO.ELIBBAD, ERRNO.ENOMEM]) {
    tellWhen(b, result, { equals: -errno }, { init, name, errno, status: 126 });
  }
  tellWhen(b, 0, "zero", { init, name, errno: ERRNO.EINVAL, status: 126 });
}

interface Complaint {
  init: string;
  name: string;
  errno: number;
  status: number;
}

function tellWhen(
  b: PlanBuilder,
  value: Value,
  when: Condition,
  { init, name, errno, status }: Complaint,
): void {
  const tell = b.label(`${name} is ${errnoName(errno)}`);
  const other = b.label("other");
  b.jumpWhen(value, when, tell);
  b.jump(other);
  b.place(tell);
  // The C library's words begin with a capital
  const message = errnoMessage(errno);
  const line = b.string(
    `[FATAL ${init}] exec ${name} failed: ${message.charAt(0).toUpperCase()}${message.slice(1)}\n`,
  );
  b.call("write", [2, line, line.size - 1], { tolerate: "all" });
  b.call("exit_group", [status]);
  b.place(other);
}
