/** The rest of an attached `run`: this process goes on as a stage that waits, forwards signals and cleans up. */
import { encodePlan } from "../../engine/runtime/encode.ts";
import { STAGE_FD } from "../../engine/runtime/plan.ts";
import type { Hooks } from "../../engine/runtime/spec.ts";
import { compileWait, PROGRAM_FD, type Remains } from "../../engine/runtime/wait-plan.ts";
import { AT, O } from "../../ffi/file.ts";
import { check, closeFd, cstring, sys } from "../../ffi/libc.ts";
import { sealedData } from "../../ffi/memfd.ts";
import { executeStage } from "../../ffi/stage/execute.ts";
import type { ContainerState, StateStore } from "./state-store.ts";

/** This program, as a child that removes the container: the global flags are those of this call. */
function removal(id: string, store: StateStore): string[] {
  const fromSource = Bun.main.startsWith("/$bunfs/") ? [] : [Bun.main];
  return ["tsd", ...fromSource, "tsrunc", "--root", store.root, "delete", "--force", id];
}

/** What `compileWait` removes; undefined: nothing. */
export function remainsOf(
  store: StateStore,
  { id, cgroup }: ContainerState,
  hooks: Hooks | undefined,
): Remains {
  return {
    cgroups: cgroup.map(({ path }) => path),
    files: store.files(id),
    folder: store.folder(id),
    remove: removal(id, store),
    hooks: (hooks?.poststop?.length ?? 0) > 0,
  };
}

/** Everything that can be made ready before the process is there. */
export class Waiter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #pidAt: number;

  constructor(remains: Remains | undefined) {
    const { plan, pid } = compileWait({ name: "tsrunc", ...(remains && { remains }) });
    this.#bytes = encodePlan(plan, { keepMask: true });
    this.#pidAt = pid.offset;
  }

  /**
   * Waits for a child of this process, to end with its status. Does not return, or throws a `SystemError`. Signals that
   * `holdSignals` has kept are the stage's to send on.
   */
  waitFor(pid: number): never {
    new DataView(this.#bytes.buffer).setUint32(this.#pidAt, pid, true);
    const fd = sealedData("ts-plan", this.#bytes);
    const program = check(
      sys("openat", AT.AT_FDCWD, cstring("/proc/self/exe"), O.O_PATH | O.O_CLOEXEC, 0),
      "open this program",
    );
    // The event loop's own fds are among these: it ends here.
    check(sys("dup3", fd, STAGE_FD.plan, 0), "dup3");
    check(sys("dup3", program, PROGRAM_FD, 0), "dup3");
    closeFd(STAGE_FD.status);
    executeStage([process.argv0, ...process.argv.slice(2)]);
  }
}
