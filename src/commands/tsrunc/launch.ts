/**
 * `create` and `run`: from a bundle to a container that is created, or runs. What is left behind by a failure is
 * removed here.
 */
import { EngineError } from "../../engine/errors.ts";
import { type Cgroup, cgroupOf, detectCgroups } from "../../engine/runtime/cgroup-layout.ts";
import { type ContainerOptions, compileContainer } from "../../engine/runtime/container.ts";
import { startFailure } from "../../engine/runtime/failure.ts";
import type { Plan } from "../../engine/runtime/plan.ts";
import type { Spec } from "../../engine/runtime/spec.ts";
import { type Labels, type Stage, StepFailure, startStage, withLabels } from "../../engine/runtime/stage.ts";
import type { Step } from "../../engine/runtime/steps.ts";
import { absolute, checkReplaceable, exists, readText, replaceFile } from "../../ffi/host.ts";
import { check, closeFd, cstring, sys } from "../../ffi/libc.ts";
import { SIG } from "../../ffi/process.ts";
import type { Context } from "../tsrunc.ts";
import { type Bundle, warnOfCapabilities, withBundle, withHome } from "./bundle.ts";
import { deathOf, removeCgroup, thaw } from "./cgroup.ts";
import { filterOf } from "./filter-cache.ts";
import type { Flags, FlagTable } from "./flags.ts";
import { BEFORE_START, runHooks, wantsHooks } from "./hooks.ts";
import type { Inside } from "./inner-hooks.ts";
import { chooseIo, closeAll, hearPid, inheritedStreams, stageLeft } from "./stage-io.ts";
import { type ContainerState, isFrozen, processStart, StateStore } from "./state-store.ts";
import { becomeWaiter, ownWords, remainsOf } from "./waiter.ts";

export const LAUNCH_FLAGS: FlagTable = {
  bundle: { kind: "value", short: "b" },
  "console-socket": { kind: "value" },
  "pid-file": { kind: "value" },
  "no-pivot": { kind: "switch" },
  "no-new-keyring": { kind: "switch" },
  "preserve-fds": { kind: "value" },
};

export interface Launched {
  state: ContainerState;
  /** What hooks in the container have to know. */
  inside: Inside;
  stage: Stage;
  /** Brings the terminal's master, when it is ours to relay. */
  masterSocket?: number;
}

export interface LaunchOptions {
  /**
   * Wait for it, and, unless it is kept, remove what it leaves: this process ends as a waiter when it can. Without, the
   * container is only created.
   */
  attached?: { keep: boolean };
}

/** Does not return when this process could end as a waiter. */
export const launch = (
  id: string,
  flags: Flags,
  context: Context,
  options: LaunchOptions,
): Promise<Launched> =>
  withBundle(flags.value("bundle"), (bundle) => launchBundle(id, bundle, { flags, context, ...options }));

async function launchBundle(
  id: string,
  bundle: Bundle,
  { flags, context, attached }: LaunchOptions & { flags: Flags; context: Context },
): Promise<Launched> {
  const scope = context.systemd ? new (await import("./systemd.ts")).HeldScope(id, bundle.spec) : undefined;
  const spec = scope?.spec ?? bundle.spec;
  const process = withHome(spec.process!, bundle.rootfs);
  const store = new StateStore(context.root);
  const cgroup = scope?.cgroup ?? cgroupOf(detectCgroups(), spec.linux?.cgroupsPath, id);
  const choice = await chooseIo(process, flags, attached === undefined);
  refuseUnknown(spec);
  checkPidFile(flags);
  warnOfCapabilities(context.log, process);
  const hooks = wantsHooks(spec.hooks);
  const gated = attached === undefined || (spec.hooks?.startContainer?.length ?? 0) > 0;
  /** Nothing is left for JavaScript: no terminal to relay, no hook that follows the start, and no systemd to tell. */
  const waits =
    !gated && choice.masterSocket === undefined && !hooks && !spec.hooks?.poststart?.length && !scope;
  const filter = await filterOf(spec.linux?.seccomp, context.root);
  const copies = wantsCopies(spec)
    ? (await import("./copy-up.ts")).copiesOf(spec.mounts ?? [], bundle.rootfs)
    : undefined;
  store.reserve(id, bundle.text);
  refuseInhabited(store, id, cgroup);
  const state = newState(id, bundle, cgroup);
  // Whoever is killed from here on leaves a cgroup: this tells of it.
  const note = store.prepare(state);
  await scope?.start().catch((error) => {
    store.remove(id);
    throw error;
  });
  try {
    if (gated) makeFifo(store.fifo(id));
    const { stage, labels } = await startContainer(
      {
        id,
        spec: { ...spec, process },
        rootfs: { kind: "path", path: bundle.rootfs },
        filter,
        io: choice.io,
        cgroup,
        control: true,
        hooks,
        ...(copies && { copies }),
        noPivot: flags.on("no-pivot"),
        noNewKeyring: flags.on("no-new-keyring"),
        ...(gated && { gate: store.fifo(id) }),
        toCaller: waits || attached === undefined,
        ...(waits && { note }),
        ...(choice.preserve && { preserve: choice.preserve }),
        ...(choice.io.kind === "inherit" && { inherited: inheritedStreams(process) }),
      },
      choice.fds,
    );
    const inside: Inside = { id, spec: { ...spec, process }, filter, cgroup, rootfs: bundle.rootfs };
    const runBefore = async (pid: number) => {
      const told = ociState({ ...state, pid }, "creating");
      for (const kind of BEFORE_START) runHooks(kind, spec.hooks?.[kind], told);
      if (!spec.hooks?.createContainer?.length) return;
      const { runInnerHooks } = await import("./inner-hooks.ts");
      await runInnerHooks("createContainer", inside, pid, told);
    };
    const pidFile = flags.value("pid-file");
    try {
      if (waits)
        becomeWaiter(
          stage,
          labels,
          {
            name: "tsrunc",
            tellFailure: ownWords(context, "tell-failure", "run", id),
            ...(pidFile && { pidFile: absolute(pidFile) }),
            ...(!attached?.keep && { remains: remainsOf(context, store, state, spec.hooks) }),
            begins: {
              ...beginning(spec, labels),
              tellDeath: ownWords(context, "tell-failure", "killed", id),
            },
          },
          cgroup,
        );
      state.pid = await hearPid(stage, hooks ? runBefore : undefined);
    } catch (error) {
      await abandon(stage);
      throw error;
    }
    // Of a container that is only created it ends.
    if (attached === undefined || state.pid === 0) await stageLeft(stage);
    // Killed by somebody, it names no step that failed; and 0 would be everybody's process group.
    if (state.pid === 0) throw new Error(await deathOf(cgroup));
    closeFd(stage.control);
    await scope?.release();
    const begun = processStart(state.pid);
    if (gated && (!begun || begun.dead)) throw new Error(await deathOf(cgroup));
    state.startTime = begun?.startTime ?? "";
    store.save(state);
    if (pidFile) writePidFile(pidFile, state.pid);
    return {
      state,
      inside,
      stage,
      ...(choice.masterSocket !== undefined && { masterSocket: choice.masterSocket }),
    };
  } catch (error) {
    await scope?.letGo();
    await removeContainer(store, id, cgroup);
    throw asStartError(error);
  } finally {
    if (choice.masterSocket !== undefined) closeAll(choice.fds.slice(0, 1));
  }
}

function wantsCopies({ mounts = [] }: Spec): boolean {
  for (const { type, options } of mounts) if (type === "tmpfs" && options?.includes("tmpcopyup")) return true;
  return false;
}

/** The container's process in the status page, and the steps at which it becomes its command. */
function beginning(
  { linux }: Spec,
  { steps }: { steps: readonly Step[] },
): { process: number; at: number[] } {
  const joins = linux?.namespaces?.some(({ type, path }) => type === "pid" && !!path);
  const at: number[] = [];
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    if (step.op === "syscall" && step.name.startsWith("execve")) at.push(i);
  }
  return { process: joins ? 2 : 1, at };
}

/** All of a cgroup ends with its container: what is in it already is not for us to end. @throws Error */
function refuseInhabited(store: StateStore, id: string, cgroup: Cgroup): void {
  for (const { path } of cgroup) {
    const text = readIfThere(`${path}/cgroup.procs`);
    if (text === "") continue;
    store.remove(id);
    const count = text.split("\n").length - 1;
    throw new Error(`container's cgroup is not empty: ${count} process(es) found`);
  }
  // Nothing would ever start in it.
  if (!isFrozen(cgroup)) return;
  store.remove(id);
  throw new Error("container's cgroup unexpectedly frozen");
}

function readIfThere(path: string): string {
  if (!exists(path)) return "";
  try {
    return readText(path);
  } catch {
    // Of a threaded cgroup it says EOPNOTSUPP: that is for the kernel to refuse.
    return "";
  }
}

/** @throws Error: what is asked for is never left out */
function refuseUnknown({ linux }: Spec): void {
  for (const field of ["memoryPolicy", "netDevices"])
    if (linux && (linux as Record<string, unknown>)[field])
      throw new Error(`linux.${field} is specified in config, but is not supported`);
  for (const field in linux?.intelRdt)
    throw new Error(`intelRdt.${field} is specified in config, but Intel RDT is not supported`);
}

/** The kernel makes the cgroup and the namespaces while the rest of the plan is being compiled. */
async function startContainer(
  options: ContainerOptions,
  fds: readonly number[],
): Promise<{ stage: Stage; labels: Labels & Pick<Plan, "steps"> }> {
  let begun: { stage: Stage; first: Plan } | undefined;
  const begin = (first: Plan): void => {
    const stage = startStage(first, { stdio: ["inherit", "inherit", "inherit"], fds, control: true });
    begun = { stage, first };
  };
  try {
    const rest = compileContainer(options, begin);
    const { stage, first } = begun!;
    stage.more(rest);
    return { stage, labels: { ...withLabels(first, rest), steps: [...first.steps, ...rest.steps] } };
  } catch (error) {
    if (begun) await abandon(begun.stage);
    throw error;
  }
}

/** What waits for the rest of its plan, or for an answer, ends when nobody is there any more. */
async function abandon(stage: Stage): Promise<void> {
  stage.kill(9);
  closeFd(stage.control);
  await stage.done.catch(() => {});
}

function newState(id: string, bundle: Bundle, cgroup: Cgroup): ContainerState {
  return {
    id,
    pid: 0,
    startTime: "",
    bundle: bundle.folder,
    rootfs: bundle.rootfs,
    created: new Date().toISOString(),
    ociVersion: bundle.spec.ociVersion,
    annotations: bundle.spec.annotations ?? {},
    cgroup,
  };
}

export const ociState = (state: ContainerState, status: "creating" | "created" | "running" | "stopped") => ({
  ociVersion: state.ociVersion,
  id: state.id,
  status,
  pid: status === "stopped" ? 0 : state.pid,
  bundle: state.bundle,
  annotations: state.annotations,
});

/** runc's sentence. */
export function asStartError(error: unknown, of: "container" | "exec" = "container"): Error {
  if (error instanceof StepFailure) return new Error(startFailure(error, of).message, { cause: error });
  if (error instanceof EngineError) return error;
  return error as Error;
}

const FIFO = 0o010622;

function makeFifo(path: string): void {
  check(sys("mknodat", -100, cstring(path), FIFO, 0), `make the exec fifo ${path}`);
}

/** Its reader polls for it. */
/** Before anything is started: a command that runs cannot be taken back. @throws SystemError */
export function checkPidFile(flags: Flags): void {
  const path = flags.value("pid-file");
  if (path) checkReplaceable(absolute(path));
}

export const writePidFile = (path: string, pid: number): void => replaceFile(absolute(path), String(pid));

const KILL_TIMEOUT_MS = 10_000;

/** And waits for its end. */
export async function killContainer(store: StateStore, state: ContainerState): Promise<void> {
  const frozen = store.status(state) === "paused";
  sys("kill", state.pid, SIG.SIGKILL);
  if (frozen) await thaw(state.cgroup);
  const deadline = performance.now() + KILL_TIMEOUT_MS;
  while (store.status(state) !== "stopped") {
    if (performance.now() > deadline) throw new Error("container init still running");
    await Bun.sleep(2);
  }
}

/** Ends what is left of the container, and forgets it. */
export async function removeContainer(store: StateStore, id: string, cgroup: Cgroup): Promise<void> {
  await removeCgroup(cgroup);
  store.remove(id);
}
