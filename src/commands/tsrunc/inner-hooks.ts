/**
 * Hooks that run in the container's namespaces, each as a process that joins them: `createContainer` before its root is
 * "/", with all rights; `startContainer` as its own process will be, right before that is executed.
 * @source config.md "POSIX-platform Hooks"; runc, libcontainer/rootfs_linux.go and standard_init_linux.go
 */
import { availableCapabilities } from "../../engine/container/capabilities.ts";
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import { compileExec } from "../../engine/runtime/exec.ts";
import type { Hook, Process, Spec, State } from "../../engine/runtime/spec.ts";
import { StepFailure, startStage } from "../../engine/runtime/stage.ts";
import { errnoMessage } from "../../ffi/errno.ts";
import { readBytes, readText } from "../../ffi/host.ts";
import { check, closeFd, sys } from "../../ffi/libc.ts";
import { sealedData, sharedMemory } from "../../ffi/memfd.ts";
import { SIG } from "../../ffi/process.ts";
import { hookFailure, ranPast, wrongHook } from "./hooks.ts";
import { hearPid } from "./stage-io.ts";

export type InnerKind = "createContainer" | "startContainer";

export interface Inside {
  id: string;
  spec: Spec;
  /** `compileFilter` of the specification's seccomp profile. */
  filter: Uint8Array | undefined;
  cgroup: Cgroup;
  rootfs: string;
}

/** `pid` is the container's first process. @throws Error of the first hook that fails */
export async function runInnerHooks(
  kind: InnerKind,
  inside: Inside,
  pid: number,
  state: Omit<State, "pid">,
): Promise<void> {
  const hooks = inside.spec.hooks?.[kind] ?? [];
  if (hooks.length === 0) return;
  // As the container sees it.
  const own = Number(/^NSpid:.*\s(\d+)$/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? pid);
  for (const [i, hook] of hooks.entries()) {
    const wrong = wrongHook(hook);
    if (wrong !== undefined) throw hookFailure(kind, i, { failure: wrong });
    const { failure, stdout, stderr } = await run(kind, hook, inside, pid, { ...state, pid: own });
    if (failure !== undefined) throw hookFailure(kind, i, { failure, stdout, stderr });
  }
}

function processOf(kind: InnerKind, hook: Hook, { spec, rootfs }: Inside): Process {
  const words = { args: hook.args ?? [hook.path], env: hook.env ?? [], terminal: false };
  // One that says nothing of its environment has that of the process, as with runc.
  if (kind === "startContainer")
    return { ...spec.process!, ...words, env: hook.env ?? spec.process?.env ?? [] };
  const all = availableCapabilities();
  return {
    ...words,
    cwd: rootfs,
    user: { uid: 0, gid: 0 },
    capabilities: { bounding: all, permitted: all, effective: all },
  };
}

async function run(kind: InnerKind, hook: Hook, inside: Inside, pid: number, state: State) {
  const { id, spec, filter, cgroup } = inside;
  const { seccomp, ...linux } = spec.linux ?? {};
  const stdin = sealedData("ts-hook", new TextEncoder().encode(JSON.stringify(state)));
  const [stdout, stderr] = [sharedMemory("ts-hook", 0), sharedMemory("ts-hook", 0)];
  let failure: string | undefined;
  try {
    check(sys("lseek", stdin, 0, 0), "rewind the state");
    const plan = compileExec({
      id,
      spec: { ...spec, linux: kind === "startContainer" && seccomp ? { ...linux, seccomp } : linux },
      pid,
      process: processOf(kind, hook, inside),
      file: hook.path,
      oldRoot: kind === "createContainer",
      filter: kind === "startContainer" ? filter : undefined,
      io: { kind: "inherit" },
      cgroup,
      control: true,
      noNewKeyring: true,
    });
    const stage = startStage(plan, { stdio: [stdin, stdout, stderr], control: true });
    const hookPid = await hearPid(stage);
    closeFd(stage.control);
    let late = false;
    const end = (): void => {
      late = true;
      sys("kill", hookPid, SIG.SIGKILL);
    };
    // Without a pid the stage has ended already.
    const timer = hook.timeout && hookPid > 0 ? setTimeout(end, hook.timeout * 1000) : undefined;
    const status = await stage.done.finally(() => clearTimeout(timer));
    if (late) failure = ranPast(hook.timeout!);
    else if (status !== 0) failure = `exit status ${status}`;
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error;
    failure = `fork/exec ${hook.path}: ${errnoMessage(error.errno)}`;
  }
  const text = (fd: number) => new TextDecoder().decode(readBytes(`/proc/self/fd/${fd}`));
  const result = { ...(failure !== undefined && { failure }), stdout: text(stdout), stderr: text(stderr) };
  for (const fd of [stdin, stdout, stderr]) closeFd(fd);
  return result;
}
