import { readdirSync, readFileSync } from "node:fs";

/** Children of a process that are stages without a plan. */
export function spares(parent: number): number[] {
  return readdirSync(`/proc/${parent}/task`)
    .flatMap((thread) => readFileSync(`/proc/${parent}/task/${thread}/children`, "utf8").split(" "))
    .filter(Boolean)
    .map(Number)
    .filter((pid) => isSpare(pid));
}

function isSpare(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") === "ts-spare\0\0";
  } catch {
    return false;
  }
}
