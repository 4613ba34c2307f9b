/** Whose memory counts as a daemon's. */
import { readdirSync, readFileSync } from "node:fs";
import { proportionalMemory } from "../support/daemon.ts";

/** Every process whose command line or executable lies below, or names, the folder; and their children. */
export function family(root: number, folder: string): number[] {
  const parents = new Map<number, number>();
  const named: number[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!pid) continue;
    try {
      parents.set(
        pid,
        Number(
          readFileSync(`/proc/${pid}/stat`, "utf8")
            .replace(/^.*\) /, "")
            .split(" ")[1],
        ),
      );
      if (readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(folder)) named.push(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  const all = new Set([root, ...named]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (!all.has(pid) && all.has(parent)) {
        all.add(pid);
        grown = true;
      }
    }
  }
  return [...all].filter((pid) => pid !== process.pid);
}

const isWorkload = (pid: number) => /^sleep\0/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));

export const sumOfMemory = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (proportionalMemory(pid) || 0), 0);

/** In KiB, of the daemon and all that it has started for its containers, but not of what runs in them. */
export const stackMemory = (root: number, folder: string): number =>
  sumOfMemory(family(root, folder).filter((pid) => !isWorkload(pid)));
