/** `tsrunc pause ID`: freezes all of a container. */
import { freezeCgroups } from "../../engine/shim/cgroup.ts";
import type { Verb } from "../tsrunc.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: {},
  usage: "ID",
  words: [1, 1],
  async run([id = ""], _flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    const status = store.status(state);
    if (status !== "running" && status !== "created") throw new Error("container not running or created");
    await freezeCgroups(
      state.cgroup.map(({ path }) => path),
      true,
    );
    return 0;
  },
};
