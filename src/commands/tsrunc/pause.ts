/** `tsrunc pause ID` and `tsrunc resume ID`: freezes all of a container, and thaws it. */
import { freezeCgroups } from "../../engine/shim/cgroup.ts";
import type { Verb } from "../tsrunc.ts";
import { StateStore, type Status } from "./state-store.ts";

const change = (frozen: boolean, from: readonly Status[], otherwise: string): Verb => ({
  flags: {},
  usage: "ID",
  words: [1, 1],
  async run([id = ""], _flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    if (!from.includes(store.status(state))) throw new Error(otherwise);
    await freezeCgroups(
      state.cgroup.map(({ path }) => path),
      frozen,
    );
    return 0;
  },
});

export const pause = change(true, ["running", "created"], "container not running or created");
export const resume = change(false, ["paused"], "container not paused");
