/** Which build of tsd a process is, so that daemon and shim know whether they are the same. */
import { statSync } from "node:fs";
import { VERSION } from "../version.ts";

/**
 * The file is told apart by size and time, too: two builds may bear one version. /proc leads to the file that we
 * run, even when another has its name by now.
 */
export function buildId(): string {
  const { size, mtimeMs } = statSync("/proc/self/exe");
  return `${VERSION}-${size.toString(36)}-${Math.floor(mtimeMs).toString(36)}`;
}
