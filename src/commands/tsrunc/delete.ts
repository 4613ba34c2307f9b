/** `tsrunc delete ID`: forgets a container that has stopped; `--force` stops it first. */
import type { Verb } from "../tsrunc.ts";
import { removeCgroup } from "./cgroup.ts";
import { runHooks } from "./hooks.ts";
import { killContainer, ociState, removeContainer } from "./launch.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: { force: { kind: "switch", short: "f" } },
  usage: "[--force] ID",
  words: [1, 1],
  async run([id = ""], flags, context) {
    const store = new StateStore(context.root);
    let state: ReturnType<StateStore["load"]>;
    try {
      state = store.load(id);
    } catch (error) {
      if (!flags.on("force")) throw error;
      // What a start that was killed half-way has left.
      const cgroup = store.begun(id);
      if (cgroup) await removeCgroup(cgroup);
      store.remove(id);
      const { rmSync } = await import("node:fs");
      rmSync(store.folder(id), { recursive: true, force: true });
      return 0;
    }
    const status = store.status(state);
    if (status !== "stopped" && status !== "created" && !flags.on("force")) {
      throw new Error(`cannot delete container ${id} that is not stopped: ${status}`);
    }
    if (status !== "stopped") await killContainer(store, state);
    const { hooks } = store.spec(id);
    await removeContainer(store, id, state.cgroup);
    runHooks("poststop", hooks?.poststop, ociState(state, "stopped"));
    return 0;
  },
};
