/** `tsrunc kill ID [SIGNAL]`. */
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import type { Spec } from "../../engine/runtime/spec.ts";
import { SIG } from "../../ffi/process.ts";
import type { Verb } from "../tsrunc.ts";
import { thaw } from "./cgroup.ts";
import { signalNumber } from "./signals.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: { all: { kind: "switch", short: "a" } },
  usage: "[--all] ID [SIGNAL]",
  words: [1, 2],
  async run([id = "", name = "SIGTERM"], flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    const signal = signalNumber(name);
    const status = store.status(state);
    const stopped = status === "stopped";
    if (signal > 64) throw new Error("unable to signal init: invalid argument");
    const every = flags.on("all") || (signal === SIG.SIGKILL && !hasOwnPids(store.spec(id)));
    const pids = every ? await all(state.cgroup) : stopped ? [] : [state.pid];
    if (stopped && pids.length === 0 && !flags.on("all")) throw new Error("container not running");
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH" || !every)
          throw new Error("container not running", { cause: error });
      }
    }
    if (signal === SIG.SIGKILL && status === "paused") await thaw(state.cgroup);
    return 0;
  },
};

/** Without one, nothing else ends with its first process. */
const hasOwnPids = ({ linux }: Spec): boolean =>
  linux?.namespaces?.some(({ type, path }) => type === "pid" && !path) ?? false;

async function all(cgroup: Cgroup): Promise<number[]> {
  const { processesOf } = await import("../../engine/shim/cgroup.ts");
  return processesOf(cgroup.map(({ path }) => path));
}
