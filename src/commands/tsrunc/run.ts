/** `tsrunc run ID`: create, start, and, unless detached, wait. */
import type { Verb } from "../tsrunc.ts";
import { runHooks } from "./hooks.ts";
import { LAUNCH_FLAGS, type Launched, launch, ociState, removeContainer } from "./launch.ts";
import { forwardSignals } from "./signals.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: {
    ...LAUNCH_FLAGS,
    detach: { kind: "switch", short: "d" },
    keep: { kind: "switch" },
    "no-subreaper": { kind: "switch" },
  },
  usage:
    "[--bundle DIR] [--detach] [--console-socket PATH] [--pid-file FILE] [--keep] [--no-pivot] [--preserve-fds N] ID",
  words: [1, 1],
  async run([id = ""], flags, context) {
    const detach = flags.on("detach");
    const store = new StateStore(context.root);
    let launched: Launched;
    const keep = flags.on("keep");
    try {
      launched = await launch(id, flags, context, detach ? {} : { attached: { keep } });
      const { hooks } = launched.inside.spec;
      if (detach || hooks?.startContainer?.length) await begin(store, launched);
      if (hooks?.poststart?.length) await afterStart(store, launched);
    } catch (error) {
      throw new Error(`runc run failed: ${(error as Error).message}`, { cause: error });
    }
    const { state, inside, stage, masterSocket } = launched;
    const { hooks } = inside.spec;
    if (detach) return 0;
    const terminal =
      masterSocket === undefined ? undefined : await (await import("./terminal.ts")).relay(masterSocket);
    forwardSignals(state.pid);
    const status = await stage.done;
    await terminal?.close();
    if (!keep) {
      await removeContainer(store, id, state.cgroup);
      runHooks("poststop", hooks?.poststop, ociState(state, "stopped"));
    }
    return status;
  },
};

/** Nothing stays of a container that cannot be started. */
async function begin(store: StateStore, { state, inside }: Launched): Promise<void> {
  try {
    const { openGate } = await import("./start.ts");
    await openGate(store, state, inside);
  } catch (error) {
    await removeContainer(store, state.id, state.cgroup);
    throw error;
  }
}

/** Nor of one that a hook ends. */
async function afterStart(store: StateStore, { state, inside }: Launched): Promise<void> {
  try {
    const { runPoststart } = await import("./start.ts");
    await runPoststart(store, state, inside.spec);
  } catch (error) {
    await removeContainer(store, state.id, state.cgroup);
    throw error;
  }
}
