/** `tsrunc run ID`: create, start, and, unless detached, wait. */
import type { Verb } from "../tsrunc.ts";
import { runHooks } from "./hooks.ts";
import { LAUNCH_FLAGS, type Launched, launch, ociState, removeContainer } from "./launch.ts";
import { Signals } from "./signals.ts";
import { startCreated } from "./start.ts";
import { StateStore } from "./state-store.ts";
import { remainsOf, waitAsStage } from "./waiter.ts";

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
    // From before there is a container: whoever starts us may want it ended at any moment.
    const signals = detach ? undefined : new Signals();
    let launched: Launched;
    try {
      launched = await launch(id, flags, context, detach);
    } catch (error) {
      throw new Error(`runc run failed: ${(error as Error).message}`, { cause: error });
    }
    const { state, bundle, stage, masterSocket } = launched;
    const { hooks } = bundle.spec;
    const store = new StateStore(context.root);
    if (detach) {
      startCreated(store, state, hooks);
      return 0;
    }
    try {
      runHooks("poststart", hooks?.poststart, ociState(state, "running"));
    } catch (error) {
      context.log.warning((error as Error).message);
    }
    signals?.sendTo(state.pid);
    if (masterSocket === undefined) {
      const remains = remainsOf(store, state, (hooks?.poststop?.length ?? 0) > 0);
      return await waitAsStage(state.pid, flags.on("keep") ? undefined : remains);
    }
    const terminal = await (await import("./terminal.ts")).relay(masterSocket);
    const status = await stage.done;
    await terminal.close();
    if (!flags.on("keep")) {
      await removeContainer(store, id, state.cgroup);
      runHooks("poststop", hooks?.poststop, ociState(state, "stopped"));
    }
    return status;
  },
};
