/** A container's cgroup, from outside: its end. */
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import { removeFolder } from "../../ffi/host.ts";

/** What a process died of that was killed before it executed anything: runc's sentence, or ours. */
export async function deathOf(cgroup: Cgroup): Promise<string> {
  const { oomKills } = await import("./stats-event.ts");
  return oomKills(cgroup) > 0
    ? "container init was OOM-killed (memory limit too low?)"
    : "container init was killed before it was ready";
}

/** What is frozen does not die of a signal where cgroups are of version 1. */
export async function thaw(cgroup: Cgroup): Promise<void> {
  const { freezeCgroups } = await import("../../engine/shim/cgroup.ts");
  await freezeCgroups(
    cgroup.map(({ path }) => path),
    false,
  );
}

/** Nearly always it is empty; what still runs there is killed. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  const unit = cgroup[0]?.unit;
  if (unit !== undefined) return (await import("./systemd.ts")).removeScope(cgroup, unit);
  const left = cgroup.filter(({ path }) => !removeFolder(path)).map(({ path }) => path);
  if (left.length === 0) return;
  const { removeCgroups } = await import("../../engine/shim/cgroup.ts");
  await removeCgroups(left);
}
