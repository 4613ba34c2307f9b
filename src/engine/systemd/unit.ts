/**
 * The systemd unit that a container's cgroup is: its name, and where systemd puts it.
 * @source systemd.slice(5); runc's docs/systemd.md "systemd unit name and placement"
 */
import { EngineError } from "../errors.ts";

export interface Scope {
  /** `docker-ID.scope` */
  name: string;
  /** `system.slice` */
  slice: string;
  /** The cgroup, below the root of every hierarchy: `/system.slice/docker-ID.scope`. */
  path: string;
}

const DEFAULT_SLICE = "system.slice";
/** The specification has none: runc's. */
const DEFAULT_PREFIX = "runc";

/**
 * `cgroupsPath` as the systemd driver has it, `slice:prefix:name`.
 * @throws EngineError invalid
 */
export function scopeOf(cgroupsPath: string | undefined, id: string): Scope {
  const parts = (cgroupsPath || `:${DEFAULT_PREFIX}:${id}`).split(":");
  if (parts.length !== 3) {
    throw new EngineError(
      "invalid",
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(cgroupsPath)} instead`,
    );
  }
  const [slice, prefix, name] = parts as [string, string, string];
  if (name.endsWith(".slice") || /[/\0]/.test(prefix + name))
    throw new EngineError("invalid", `${JSON.stringify(name)} is no name for the scope of a container`);
  const parent = slice || DEFAULT_SLICE;
  const unit = `${prefix}-${name}.scope`;
  return { name: unit, slice: parent, path: `${expandSlice(parent)}/${unit}` };
}

/** `a-b.slice` is in `a.slice`: `/a.slice/a-b.slice`. The root's own, `-.slice`, is nothing. */
export function expandSlice(slice: string): string {
  const wrong = new EngineError("invalid", `invalid slice name: ${slice}`);
  if (!slice.endsWith(".slice") || slice.includes("/")) throw wrong;
  const stem = slice.slice(0, -".slice".length);
  if (stem === "-") return "";
  let path = "";
  let prefix = "";
  for (const part of stem.split("-")) {
    if (part === "") throw wrong;
    path += `/${prefix}${part}.slice`;
    prefix += `${part}-`;
  }
  return path;
}
