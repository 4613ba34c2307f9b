/** Which build of tsd a process is, so that daemon and shim know whether they are the same. */
import { statSync } from "node:fs";
import { VERSION } from "../../version.ts";

/**
 * The file is told apart by size and time, too: two builds may bear one version. To be asked early: the file
 * may be replaced under a running process.
 */
export function buildId(): string {
  const { size, mtimeMs } = statSync(process.execPath);
  return `${VERSION}-${size.toString(36)}-${Math.floor(mtimeMs).toString(36)}`;
}
