/** A container's cgroup, from outside: its end. */
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import { removeFolder } from "../../ffi/host.ts";

/** Nearly always it is empty; what still runs there is killed. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  const unit = cgroup[0]?.unit;
  if (unit !== undefined) return (await import("./systemd.ts")).removeScope(cgroup, unit);
  const left = cgroup.filter(({ path }) => !removeFolder(path)).map(({ path }) => path);
  if (left.length === 0) return;
  const { removeCgroups } = await import("../../engine/shim/cgroup.ts");
  await removeCgroups(left);
}
