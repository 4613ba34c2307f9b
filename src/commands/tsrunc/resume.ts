/** `tsrunc resume ID`: thaws a paused container. */
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
    if (store.status(state) !== "paused") throw new Error("container not paused");
    await freezeCgroups(
      state.cgroup.map(({ path }) => path),
      false,
    );
    return 0;
  },
};
