/** A container's cgroup, from outside: its processes, its end. */
import { readFileSync, rmdirSync } from "node:fs";
import type { Cgroup } from "../../engine/runtime/cgroup-layout.ts";

/** Nearly always it is empty; what still runs there is killed. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  const left = cgroup.filter(({ path }) => !removed(path)).map(({ path }) => path);
  if (left.length === 0) return;
  const { removeCgroups } = await import("../../engine/shim/cgroup.ts");
  await removeCgroups(left);
}

function removed(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

export function cgroupPids(cgroup: Cgroup): number[] {
  for (const { path } of cgroup) {
    try {
      const text = readFileSync(`${path}/cgroup.procs`, "utf8");
      return text.split("\n").filter(Boolean).map(Number);
    } catch {
      // This hierarchy has no such folder.
    }
  }
  return [];
}
