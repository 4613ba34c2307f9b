/** A folder of the daemon's own: what is in it is read, written and executed upon as root. */
import { statSync } from "node:fs";
import { reasonOf } from "../reason.ts";
import type { Rollback } from "./rollback.ts";

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;

/**
 * Makes the folder, or takes one that only root can put files into: a link planted there would lead our writing anywhere.
 * It is not made so, since it may be one that others need (/tmp).
 * @param what `exec root`, for the message
 * @throws Error
 */
export function makeRootFolder(rollback: Rollback, path: string, mode: number, what: string): void {
  try {
    rollback.makeFolder(path, mode);
  } catch (error) {
    throw new Error(`could not make the ${what} ${path}: ${reasonOf(error)}`, { cause: error });
  }
  const { uid, gid, mode: found } = statSync(path);
  if (uid !== 0) throw new Error(`the ${what} ${path} belongs to user ${uid}, and must be root's`);
  if (found & OTHERS_WRITE || (gid !== 0 && found & GROUP_WRITES))
    throw new Error(
      `the ${what} ${path} is writable by others than root (mode ${(found & 0o7777).toString(8)})`,
    );
}
