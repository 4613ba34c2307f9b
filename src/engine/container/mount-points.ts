/**
 * `-v`, `--mount` and `--tmpfs`: from the words of the request to mount points, with the checks and the words of
 * Docker's parser for Linux.
 */
import { existsSync } from "node:fs";
import { posix } from "node:path";
import type { MountSpec } from "./config.ts";

/** One mount of a container, as inspect shows it, and what is kept beside. */
export interface MountPoint {
  type: "bind" | "volume" | "tmpfs";
  /** A volume's name. */
  name?: string;
  source: string;
  destination: string;
  driver?: string;
  mode: string;
  rw: boolean;
  propagation: string;
  /** Bind only the mount itself, not those below it. */
  nonRecursive?: boolean;
  readOnlyNonRecursive?: boolean;
  readOnlyForceRecursive?: boolean;
  /** Make the folder on the host when missing: `-v` does, `--mount` does not. */
  createSource?: boolean;
  /** Copy the image's content into the new volume. */
  copyData?: boolean;
  tmpfsOptions?: string;
  /** The propagation was asked for, so failing to provide it is an error. */
  explicitPropagation?: boolean;
}

const PROPAGATIONS = new Set(["private", "rprivate", "slave", "rslave", "shared", "rshared"]);
const DEFAULT_PROPAGATION = "rprivate";
const MODE_GROUPS: readonly ReadonlySet<string>[] = [
  new Set(["rw", "ro"]),
  new Set(["z", "Z"]),
  PROPAGATIONS,
  new Set(["nocopy"]),
  new Set(["consistent", "cached", "delegated"]),
];

const isAbsolute = (path: string): boolean => path.replaceAll("\\", "/").startsWith("/");

/** Go's path.Clean: no trailing slash. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

/** @throws Error with the reason alone */
function checkTarget(target: string): void {
  if (cleanPath(target.replaceAll("\\", "/")) === "/")
    throw new Error("invalid specification: destination can't be '/'");
  if (!isAbsolute(target)) throw new Error(`invalid mount path: '${target}' mount path must be absolute`);
}

export const checkTmpfsTarget = checkTarget;

function validMode(mode: string): boolean {
  if (mode === "") return true;
  const words = mode.split(",");
  if (!words.every((word) => MODE_GROUPS.some((group) => group.has(word)))) return false;
  return MODE_GROUPS.every((group) => words.filter((word) => group.has(word)).length <= 1);
}

/** Options of `--mount type=tmpfs` as a mount data string. */
export function tmpfsOptions(options: MountSpec["TmpfsOptions"], readOnly: boolean): string {
  const out: string[] = [];
  if (readOnly) out.push("ro");
  if (options?.Mode) out.push(`mode=${options.Mode.toString(8)}`);
  if (options?.SizeBytes) {
    const [unit, suffix] = (
      [
        [1 << 30, "g"],
        [1 << 20, "m"],
        [1 << 10, "k"],
      ] as const
    ).find(([divisor]) => options.SizeBytes! % divisor === 0) ?? [1, ""];
    out.push(`size=${options.SizeBytes / unit}${suffix}`);
  }
  for (const option of options?.Options ?? []) {
    if (option.length < 1 || option.length > 2) throw new Error("invalid option array length");
    if (option[0] !== "exec" && option[0] !== "noexec") throw new Error(`invalid option: ${option[0]}`);
    out.push(option.join("="));
  }
  return out.join(",");
}

function checkMountSpec(spec: MountSpec, sourceMustExist: boolean): void {
  const extra = (field: string): Error => new Error(`field ${field} must not be specified`);
  if (spec.Type !== "bind" && spec.BindOptions) throw extra("BindOptions");
  if (spec.Type !== "volume" && spec.VolumeOptions) throw extra("VolumeOptions");
  if (spec.Type !== "image" && spec.ImageOptions) throw extra("ImageOptions");
  if (spec.Type !== "tmpfs" && spec.TmpfsOptions) throw extra("TmpfsOptions");
  if (spec.Type !== "cluster" && spec.ClusterOptions) throw extra("ClusterOptions");
  if (!spec.Target) throw new Error("field Target must not be empty");
  checkTarget(spec.Target);
  switch (spec.Type) {
    case "bind": {
      if (!spec.Source) throw new Error("field Source must not be empty");
      const propagation = spec.BindOptions?.Propagation;
      if (propagation && !PROPAGATIONS.has(propagation))
        throw new Error(`invalid propagation mode: ${propagation}`);
      if (!isAbsolute(spec.Source))
        throw new Error(`invalid mount path: '${spec.Source}' mount path must be absolute`);
      if (sourceMustExist && !spec.BindOptions?.CreateMountpoint && !existsSync(spec.Source)) {
        throw new Error(`bind source path does not exist: ${spec.Source}`);
      }
      return;
    }
    case "volume":
      if (spec.VolumeOptions?.Subpath && !spec.Source)
        throw new Error("must not set Subpath when using anonymous volumes");
      return;
    case "tmpfs":
      if (spec.Source) throw extra("Source");
      tmpfsOptions(spec.TmpfsOptions, false);
      return;
    case "image":
      if (!spec.Source) throw new Error("field Source must not be empty");
      return;
    default:
      throw new Error("mount type unknown");
  }
}

/** @throws Error `invalid mount config for type "bind": …` */
export function validateMountSpec(spec: MountSpec, sourceMustExist = true): void {
  try {
    checkMountSpec(spec, sourceMustExist);
  } catch (error) {
    throw new Error(
      `invalid mount config for type ${JSON.stringify(spec.Type ?? "")}: ${(error as Error).message}`,
    );
  }
}

/** A checked spec of type bind, volume or tmpfs as a mount point. */
export function mountPointOf(spec: MountSpec): MountPoint {
  const rw = !spec.ReadOnly;
  const destination = cleanPath(spec.Target!.replaceAll("\\", "/"));
  switch (spec.Type) {
    case "bind": {
      const options = spec.BindOptions ?? {};
      return {
        type: "bind",
        source: cleanPath(spec.Source!),
        destination,
        mode: "",
        rw,
        propagation: options.Propagation || DEFAULT_PROPAGATION,
        explicitPropagation: Boolean(options.Propagation),
        nonRecursive: options.NonRecursive,
        readOnlyNonRecursive: options.ReadOnlyNonRecursive,
        readOnlyForceRecursive: options.ReadOnlyForceRecursive,
        createSource: options.CreateMountpoint,
      };
    }
    case "tmpfs":
      return {
        type: "tmpfs",
        source: "",
        destination,
        mode: "",
        rw,
        propagation: "",
        tmpfsOptions: tmpfsOptions(spec.TmpfsOptions, !rw),
      };
    default:
      return {
        type: "volume",
        name: spec.Source || undefined,
        source: "",
        destination,
        driver: spec.VolumeOptions?.DriverConfig?.Name,
        mode: "",
        rw,
        propagation: "",
        copyData: !spec.VolumeOptions?.NoCopy,
      };
  }
}

/**
 * One `-v` word.
 * @throws Error `invalid volume specification: '…'`
 */
export function parseBind(raw: string): MountPoint {
  const invalid = `invalid volume specification: '${raw}'`;
  const parts = raw.split(":");
  if (parts[0] === "" || parts.length > 3) throw new Error(invalid);
  if (parts.length === 2 && validMode(parts[1]!)) throw new Error(invalid);
  const [source, target] = parts.length === 1 ? ["", parts[0]!] : [parts[0]!, parts[1]!];
  const mode = parts[2] ?? "";
  if (!validMode(mode)) throw new Error(`invalid mode: ${mode}`);
  const words = mode.split(",");
  const propagation = words.find((word) => PROPAGATIONS.has(word));
  const spec: MountSpec = {
    Type: source.startsWith("/") ? "bind" : "volume",
    Source: source,
    Target: target,
    ReadOnly: words.includes("ro"),
  };
  if (words.includes("nocopy")) spec.VolumeOptions = { NoCopy: true };
  if (propagation) spec.BindOptions = { Propagation: propagation };
  try {
    validateMountSpec(spec, false);
  } catch (error) {
    throw new Error(`${invalid}: ${(error as Error).message}`);
  }
  return { ...mountPointOf(spec), mode, createSource: true };
}
