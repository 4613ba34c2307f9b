/**
 * Node's modules, loaded when there is something to ask of them, not when a verb is: `node:net` and `node:tty` bring
 * all of Node's streams with them, 3 to 10 ms, which is as long as a whole command may take, `node:fs` costs 1.3 and `node:path` 0.4.
 */
import type * as Fs from "node:fs";
import type * as Path from "node:path";

/** /dev/null and its like, the usual standard input of scripts. @source Documentation/admin-guide/devices.txt */
const MEMORY_DEVICES = 1;

export const fs = (): typeof Fs => process.getBuiltinModule("node:fs");
export const path = (): typeof Path => process.getBuiltinModule("node:path");

/** Whether there is a file with something in it: asked without `node:fs`. */
export const hasContent = (path: string): boolean => Bun.file(path).size > 0;

export function isatty(fd: number): boolean {
  try {
    const stats = fs().fstatSync(fd);
    if (!stats.isCharacterDevice() || stats.rdev >> 8 === MEMORY_DEVICES) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule("node:tty").isatty(fd);
}

/** 4, 6, or 0 for what is no address. */
export const isIP = (text: string): number => process.getBuiltinModule("node:net").isIP(text);
