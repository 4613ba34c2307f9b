/** The file that tells other programs the daemon's pid. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf } from "../reason.ts";
import type { Rollback } from "./rollback.ts";

/** @throws Error when the process that the file names is there */
export function writePidfile(rollback: Rollback, path: string): void {
  const pid = readPid(path);
  if (pid !== undefined && pid !== process.pid && isDaemon(pid)) {
    throw new Error(`process with PID ${pid} is still running: ensure it is not a daemon, or delete ${path}`);
  }
  try {
    rollback.makeFolder(dirname(path), 0o755);
    writeFileSync(path, String(process.pid), { mode: 0o644 });
  } catch (error) {
    throw new Error(`could not write the PID file ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

export function removePidfile(path: string): void {
  // After a restart the file may be another daemon's.
  if (readPid(path) === process.pid) rmSync(path, { force: true });
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process runs by that pid that may be one. The pid alone proves nothing after a reboot. */
export function isDaemon(pid: number): boolean {
  try {
    const name = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return /\b(tsd|dockerd|daemon)\b/.test(name);
  } catch {
    return false;
  }
}
