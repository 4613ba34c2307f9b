/** The rest of an attached call: this process goes on as a stage that waits, forwards signals and cleans up. */
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import { encodePlan } from "../../engine/runtime/encode.ts";
import { STAGE_FD } from "../../engine/runtime/plan.ts";
import type { Hooks } from "../../engine/runtime/spec.ts";
import { explainFailure, type Labels, type Stage } from "../../engine/runtime/stage.ts";
import { compileWait, type Remains, WAIT_FD, type WaitOptions } from "../../engine/runtime/wait-plan.ts";
import { AT, O } from "../../ffi/file.ts";
import { readText, removeFile, replaceFile } from "../../ffi/host.ts";
import { aboveInherited, check, closeFd, cstring, sys } from "../../ffi/libc.ts";
import { sealedData } from "../../ffi/memfd.ts";
import { executeStage } from "../../ffi/stage/execute.ts";
import type { Context } from "../tsrunc.ts";
import type { ContainerState, StateStore } from "./state-store.ts";

/** This program, as a child or in the place of this call: the global flags are those of this call. */
export function ownWords({ root, log }: Context, ...words: string[]): string[] {
  const fromSource = Bun.main.startsWith("/$bunfs/") ? [] : [Bun.main];
  return ["tsd", ...fromSource, "tsrunc", "--root", root, ...log.flags, ...words];
}

/** What `compileWait` removes. */
export function remainsOf(
  context: Context,
  store: StateStore,
  { id, cgroup }: ContainerState,
  hooks: Hooks | undefined,
): Remains {
  return {
    cgroups: cgroup.map(({ path }) => path),
    files: store.files(id),
    folder: store.folder(id),
    remove: ownWords(context, "delete", "--force", id),
    hooks: (hooks?.poststop?.length ?? 0) > 0,
  };
}

/**
 * Goes on as the stage: waits for the process that `stage` makes of `plan`, a child of this one, to end with its status.
 * Does not return, or throws a `SystemError`. `cgroup` goes with a container that does not start. Signals that `holdSignals` has kept are the stage's to send on.
 */
export function becomeWaiter(stage: Stage, plan: Labels, options: WaitOptions, cgroup: Cgroup = []): never {
  const bytes = encodePlan(compileWait(options), { keepMask: true });
  const explanation: Explanation = {
    labels: plan.steps.map(({ label }) => label),
    cgroup,
    ...(options.pidFile !== undefined && { pidFile: options.pidFile }),
  };
  const program = check(
    sys("openat", AT.AT_FDCWD, cstring("/proc/self/exe"), O.O_PATH | O.O_CLOEXEC, 0),
    "open this program",
  );
  // The event loop's own fds are where these go: it ends here.
  const given: [fd: number, as: number][] = [
    [sealedData("ts-plan", bytes), STAGE_FD.plan],
    [stage.control, WAIT_FD.control],
    [program, WAIT_FD.program],
    [stage.page, WAIT_FD.page],
    [
      sealedData("ts-explanation", new TextEncoder().encode(JSON.stringify(explanation))),
      WAIT_FD.explanation,
    ],
  ];
  const lifted = given.map(([fd, as]) => [aboveInherited(fd), as] as const);
  for (const [fd, as] of lifted) check(sys("dup3", fd, as, 0), "dup3");
  // Its page would be the other stage's.
  closeFd(STAGE_FD.status);
  executeStage([process.argv0, ...process.argv.slice(2)]);
}

interface Explanation {
  /** Of the plan's steps. */
  labels: string[];
  /** The container's own; none for an exec. */
  cgroup: Cgroup;
  pidFile?: string;
}

/** What `becomeWaiter` has left for a call of `tellFailure`. */
export function leftFailure(): { failure: Error; cgroup: Cgroup } {
  const { labels, cgroup, pidFile } = JSON.parse(
    readText(`/proc/self/fd/${WAIT_FD.explanation}`),
  ) as Explanation;
  const plan: Labels = { steps: labels.map((label) => ({ label })) };
  const failure =
    explainFailure(WAIT_FD.page, plan) ??
    unwritable(pidFile) ??
    new Error("its start was not seen to its end");
  return { failure, cgroup };
}

/** The waiter has no words for why it could not write it. */
function unwritable(file: string | undefined): Error | undefined {
  if (file === undefined) return undefined;
  try {
    replaceFile(file, "");
    removeFile(file);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
