/** `--device HOST[:CONTAINER][:rwm]`. */
import { path as paths } from "../builtin.ts";
import { Failure } from "../failure.ts";

export interface DeviceMapping {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

const validMode = (mode: string): boolean => /^[rwm]{1,3}$/.test(mode) && new Set(mode).size === mode.length;

/** A device of the Container Device Interface: `vendor.com/class=name`. */
export const isCdiName = (word: string): boolean =>
  /^[A-Za-z][\w.-]*[A-Za-z0-9]?\/[A-Za-z][\w.-]*=[A-Za-z0-9][\w.:-]*$/.test(word);

export function parseDevice(word: string): DeviceMapping {
  const { posix } = paths();
  const parts = word.split(":");
  if (parts.length > 3 || parts[0] === "") throw new Failure(`bad format for path: ${word}`);
  const source = parts[0] as string;
  let target = "";
  let mode = "rwm";
  if (parts.length === 3) {
    mode = parts[2] as string;
    if (!validMode(mode)) throw new Failure(`bad mode specified: ${mode}`);
    target = parts[1] as string;
  } else if (parts.length === 2) {
    if (validMode(parts[1] as string)) mode = parts[1] as string;
    else target = posix.normalize(parts[1] as string);
  }
  const inside = target || source;
  if (!posix.isAbsolute(inside)) throw new Failure(`${inside} is not an absolute path`);
  const path = parts.length === 1 || target === "" ? posix.normalize(source) : source;
  return { PathOnHost: path, PathInContainer: target || path, CgroupPermissions: mode };
}
