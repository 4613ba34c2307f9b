/**
 * What only `node:net` and `node:tty` know. Each brings all of Node's streams with it, 3 to 10 ms, which is as long as
 * a whole command may take: so they are loaded when there is something to ask, not when a verb is.
 */
import { fstatSync } from "node:fs";

/** /dev/null and its like, the usual standard input of scripts. @source Documentation/admin-guide/devices.txt */
const MEMORY_DEVICES = 1;

export function isatty(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    if (!stats.isCharacterDevice() || stats.rdev >> 8 === MEMORY_DEVICES) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule("node:tty").isatty(fd);
}

/** 4, 6, or 0 for what is no address. */
export const isIP = (text: string): number => process.getBuiltinModule("node:net").isIP(text);
