/** `tsrunc exec ID COMMAND…`: another process in a running container. */
import { compileExec } from "../../engine/runtime/exec.ts";
import { STAGE_FD } from "../../engine/runtime/plan.ts";
import type { CapabilitySets, Process, Spec } from "../../engine/runtime/spec.ts";
import { startStage } from "../../engine/runtime/stage.ts";
import { absolute, readText } from "../../ffi/host.ts";
import { check, closeFd, sys } from "../../ffi/libc.ts";
import type { Context, Verb } from "../tsrunc.ts";
import { checkProcess, warnOfCapabilities, withHome } from "./bundle.ts";
import { filterOf } from "./filter-cache.ts";
import type { Flags } from "./flags.ts";
import { asStartError, checkPidFile, writePidFile } from "./launch.ts";
import { malformed } from "./malformed.ts";
import { forwardSignals } from "./signals.ts";
import { chooseIo, closeAll, hearPid, inheritedStreams, stageLeft } from "./stage-io.ts";
import { type ContainerState, StateStore } from "./state-store.ts";
import { becomeWaiter, ownWords } from "./waiter.ts";

export const verb: Verb = {
  flags: {
    "console-socket": { kind: "value" },
    cwd: { kind: "value" },
    env: { kind: "list", short: "e" },
    tty: { kind: "switch", short: "t" },
    user: { kind: "value", short: "u" },
    "additional-gids": { kind: "list", short: "g" },
    process: { kind: "value", short: "p" },
    detach: { kind: "switch", short: "d" },
    "pid-file": { kind: "value" },
    "process-label": { kind: "value" },
    apparmor: { kind: "value" },
    "no-new-privs": { kind: "switch" },
    "no-new-keyring": { kind: "switch" },
    cap: { kind: "list", short: "c" },
    "preserve-fds": { kind: "value" },
    "ignore-paused": { kind: "switch" },
    cgroup: { kind: "list" },
  },
  usage:
    "[--tty] [--user UID[:GID]] [--env NAME=VALUE] [--cwd DIR] [--cap NAME] [--process FILE] [--detach] [--cgroup [CONTROLLERS:]PATH] ID COMMAND [ARG…]",
  words: [1],
  failureStatus: 255,
  flagsFirst: true,
  async run([id = "", ...words], flags, context) {
    try {
      return await exec(id, words, flags, context);
    } catch (failure) {
      const file = flags.value("process");
      const error = file ? await malformed(failure, () => readText(file), "process") : failure;
      throw new Error(`exec failed: ${asStartError(error, "exec").message}`, { cause: error });
    }
  },
};

async function exec(id: string, words: string[], flags: Flags, context: Context): Promise<number> {
  const { root } = context;
  const store = new StateStore(root);
  const state = store.load(id);
  const status = store.status(state);
  if (status === "stopped") throw new Error("cannot exec in a stopped container");
  if (status === "paused" && !flags.on("ignore-paused"))
    throw new Error("cannot exec in a paused container (use --ignore-paused to override)");
  const spec = store.spec(id);
  const process = withHome(processOf(spec, words, flags), state.rootfs);
  checkProcess(process);
  checkPidFile(flags);
  warnOfCapabilities(context.log, process);
  const detach = flags.on("detach");
  const choice = await chooseIo(process, flags, detach);
  /** Without a terminal to relay, this process will end as the one that waits. */
  const attached = !detach && choice.masterSocket === undefined;
  const below = flags.list("cgroup");
  const cgroup =
    below.length > 0 ? (await import("./sub-cgroup.ts")).subCgroup(state.cgroup, below) : state.cgroup;
  const pidfd = openProcess(state, store);
  const plan = compileExec({
    id,
    spec,
    pid: state.pid,
    pidfd: STAGE_FD.firstPassed + choice.fds.length,
    process,
    filter: await filterOf(spec.linux?.seccomp, root),
    io: choice.io,
    cgroup,
    detach: detach || attached,
    control: true,
    noNewKeyring: flags.on("no-new-keyring"),
    ...(choice.preserve && { preserve: choice.preserve }),
    ...(choice.io.kind === "inherit" && { inherited: inheritedStreams(process) }),
  });
  const stage = startStage(plan, {
    stdio: ["inherit", "inherit", "inherit"],
    fds: [...choice.fds, pidfd],
    control: true,
  });
  closeFd(pidfd);
  const pidFile = flags.value("pid-file");
  if (attached)
    becomeWaiter(stage, plan, {
      name: "tsrunc",
      tellFailure: ownWords(context, "tell-failure", "exec", id),
      ...(pidFile && { pidFile: absolute(pidFile) }),
    });
  const pid = await hearPid(stage);
  if (choice.masterSocket !== undefined) closeAll(choice.fds.slice(0, 1));
  if (detach || pid === 0) await stageLeft(stage);
  closeFd(stage.control);
  if (pidFile) writePidFile(pidFile, pid);
  if (detach) return 0;
  const terminal = await (await import("./terminal.ts")).relay(choice.masterSocket!);
  forwardSignals(pid);
  const result = await stage.done;
  await terminal.close();
  return result;
}

/** Its number is its own for as long as it lives, which is asked after the pidfd is there. */
function openProcess(state: ContainerState, store: StateStore): number {
  const pidfd = check(sys("pidfd_open", state.pid, 0), `open the container's process ${state.pid}`);
  if (store.status(state) !== "stopped") return pidfd;
  closeFd(pidfd);
  throw new Error("cannot exec in a stopped container");
}

/** A whole process of a file, or the container's own with what the flags change. */
function processOf(spec: Spec, words: string[], flags: Flags): Process {
  const file = flags.value("process");
  if (file) return JSON.parse(readText(file)) as Process;
  if (words.length === 0) throw new Error("process args cannot be empty");
  const base = spec.process ?? { cwd: "/" };
  const { selinuxLabel, apparmorProfile } = base;
  return {
    ...base,
    args: words,
    terminal: flags.on("tty"),
    cwd: flags.value("cwd") ?? base.cwd,
    env: [...(base.env ?? []), ...flags.list("env")],
    noNewPrivileges: flags.has("no-new-privs") ? flags.on("no-new-privs") : (base.noNewPrivileges ?? false),
    user: userOf(base, flags),
    capabilities: withCaps(base.capabilities, flags.list("cap")),
    ...((flags.value("process-label") ?? selinuxLabel) && {
      selinuxLabel: flags.value("process-label") ?? selinuxLabel,
    }),
    ...((flags.value("apparmor") ?? apparmorProfile) && {
      apparmorProfile: flags.value("apparmor") ?? apparmorProfile,
    }),
  } as Process;
}

function userOf(base: Process, flags: Flags): NonNullable<Process["user"]> {
  const user = { uid: 0, gid: 0, ...base.user };
  const given = flags.value("user");
  if (given) {
    const [uid = "", gid] = given.split(":");
    user.uid = integer(uid, "uid");
    if (gid !== undefined) user.gid = integer(gid, "gid");
  }
  const groups = flags.list("additional-gids").map((gid) => integer(gid, "gid"));
  return { ...user, additionalGids: [...(user.additionalGids ?? []), ...groups] };
}

function integer(text: string, what: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`parsing ${text} as int for ${what} failed: invalid syntax`);
  return Number(text);
}

function withCaps(sets: CapabilitySets | undefined, more: string[]): CapabilitySets {
  if (more.length === 0) return sets ?? {};
  const add = (set: string[] = []) => [...new Set([...set, ...more])];
  return {
    ...sets,
    bounding: add(sets?.bounding),
    effective: add(sets?.effective),
    permitted: add(sets?.permitted),
    // One that is not inheritable cannot be ambient.
    ...(sets?.inheritable && { ambient: add(sets.ambient) }),
  };
}
