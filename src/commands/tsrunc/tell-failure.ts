/**
 * `tsrunc tell-failure run|exec|killed ID`: the end of a call that has become a waiter (waiter.ts), and whose process did not
 * start. Only the waiter can call it.
 */
import type { Verb } from "../tsrunc.ts";
import { deathOf } from "./cgroup.ts";
import { asStartError, removeContainer } from "./launch.ts";
import { reapFailed } from "./stage-io.ts";
import { StateStore } from "./state-store.ts";
import { leftFailure } from "./waiter.ts";

export const verb: Verb = {
  flags: {},
  usage: "run|exec|killed ID",
  words: [2, 2],
  async run([of = "", id = ""], _flags, { root, log }) {
    reapFailed();
    if (of === "killed") {
      const store = new StateStore(root);
      const { cgroup } = store.load(id);
      const death = await deathOf(cgroup);
      await removeContainer(store, id, cgroup);
      log.error(`runc run failed: ${death}`);
      return 1;
    }
    const { failure, cgroup } = leftFailure();
    if (of === "exec") {
      log.error(`exec failed: ${asStartError(failure, "exec").message}`);
      return 255;
    }
    await removeContainer(new StateStore(root), id, cgroup);
    log.error(`runc run failed: ${asStartError(failure).message}`);
    return 1;
  },
};
