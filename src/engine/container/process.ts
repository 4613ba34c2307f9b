/** What the host says of a process that was a container's when it was last heard of: it may have ended since. */
import { readFileSync } from "node:fs";
import type { Container } from "./container.ts";

/** linux/sched.h */
const PF_EXITING = 0x4;

/** False when the process is gone, and its number perhaps another's, of the host's even. */
export function isProcessOf(pid: number, id: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "latin1").includes(id);
  } catch {
    return false;
  }
}

/** Whether a process has begun to end, or is gone. */
export function isEnding(pid: number): boolean {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return true;
  }
  // proc_pid_stat(5): the name, in parentheses, may have anything in it; state is the 3rd field, flags the 9th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" || (Number(fields[6]) & PF_EXITING) !== 0;
}

/** Whether it runs no more, though the news of that may still be under way. */
export const hasEnded = ({ id, state: { pid } }: Container): boolean =>
  pid === 0 || isEnding(pid) || !isProcessOf(pid, id);
