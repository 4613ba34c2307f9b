/** `tsrunc update ID`: other limits for a container that runs, or is about to. */
import { type Cgroup, isUnified, unifiedFolder } from "../../engine/runtime/cgroup-layout.ts";
import { updateCgroup } from "../../engine/runtime/cgroup-update.ts";
import type { Resources } from "../../engine/runtime/spec.ts";
import { readText } from "../../ffi/host.ts";
import type { Verb } from "../tsrunc.ts";
import { requirePids } from "./bundle.ts";
import { changeOf, RESOURCE_FLAGS, resourcesOfDocument, resourcesOfFlags } from "./resources.ts";
import { StateStore } from "./state-store.ts";

export const verb: Verb = {
  flags: RESOURCE_FLAGS,
  usage: `[--resources FILE|-] [--memory N] [--memory-swap N] [--memory-reservation N] [--cpu-share N]
  [--cpu-quota N] [--cpu-period N] [--cpu-burst N] [--cpu-idle 0|1] [--cpu-rt-period N] [--cpu-rt-runtime N]
  [--cpuset-cpus LIST] [--cpuset-mems LIST] [--pids-limit N] [--blkio-weight N] ID

FILE (or - for the standard input) has "resources" of the runtime specification; all other flags are ignored then.`,
  words: [1, 1],
  async run([id = ""], flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    const file = flags.value("resources");
    const asked = file
      ? resourcesOfDocument(file === "-" ? await Bun.stdin.text() : readText(file))
      : resourcesOfFlags(flags);
    if (asked.memory?.kernel || asked.memory?.kernelTCP) {
      context.log.warning("Kernel memory settings are ignored and will be removed");
      delete asked.memory.kernel;
      delete asked.memory.kernelTCP;
    }
    if (asked.pids) asked.pids.limit = requirePids(asked.pids.limit);
    if (asked.unified && !isUnified(state.cgroup))
      throw new Error("invalid configuration: cannot use unified on cgroup v1");
    if (store.status(state) === "stopped") throw new Error("container not running");
    const spec = store.spec(id);
    const { next, write } = changeOf(spec.linux?.resources ?? {}, asked);
    if (asked.memory?.checkBeforeUpdate) checkMemory(state.cgroup, next);
    if (state.cgroup[0]?.unit === undefined) updateCgroup(state.cgroup, write);
    else await (await import("./systemd.ts")).updateScope(state.cgroup, write);
    store.saveSpec(id, { ...spec, linux: { ...spec.linux, resources: next } });
    return 0;
  },
};

/** Version 1 refuses such a limit, version 2 kills for it. @throws Error in runc's words */
function checkMemory(cgroup: Cgroup, { memory }: Resources): void {
  const folder = isUnified(cgroup) ? unifiedFolder(cgroup) : undefined;
  if (!folder || !memory) return;
  let usage: number;
  try {
    usage = Number(readText(`${folder.path}/memory.current`));
  } catch {
    return;
  }
  const { swap = 0, limit = 0 } = memory;
  if (swap > 0 && swap <= usage) throw new Error(`rejecting memory+swap limit ${swap} <= usage ${usage}`);
  if (limit > 0 && limit <= usage) throw new Error(`rejecting memory limit ${limit} <= usage ${usage}`);
}
