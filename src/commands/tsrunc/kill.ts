/** `tsrunc kill ID [SIGNAL]`. */
import type { Verb } from "../tsrunc.ts";
import { cgroupPids } from "./cgroup.ts";
import { signalNumber } from "./signals.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: { all: { kind: "switch", short: "a" } },
  usage: "[--all] ID [SIGNAL]",
  words: [1, 2],
  run([id = "", name = "SIGTERM"], flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    const signal = signalNumber(name);
    const stopped = store.status(state) === "stopped";
    const pids = flags.on("all") ? cgroupPids(state.cgroup) : stopped ? [] : [state.pid];
    if (stopped && !flags.on("all")) throw new Error("container not running");
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH" || !flags.on("all"))
          throw new Error("container not running", { cause: error });
      }
    }
    return 0;
  },
};
