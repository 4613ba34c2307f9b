/** A container's cgroup, from outside: its processes, its end. */
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";
import { readText, removeFolder } from "../../ffi/host.ts";

/** Nearly always it is empty; what still runs there is killed. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  const left = cgroup.filter(({ path }) => !removeFolder(path)).map(({ path }) => path);
  if (left.length === 0) return;
  const { removeCgroups } = await import("../../engine/shim/cgroup.ts");
  await removeCgroups(left);
}

export function cgroupPids(cgroup: Cgroup): number[] {
  for (const { path } of cgroup) {
    try {
      const text = readText(`${path}/cgroup.procs`);
      return text.split("\n").filter(Boolean).map(Number);
    } catch {
      // This hierarchy has no such folder.
    }
  }
  return [];
}
