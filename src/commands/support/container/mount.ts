/** `--mount type=bind,src=…,dst=…`. */
import { path } from "../builtin.ts";
import { parseByteSize } from "../units.ts";
import { parseCsv } from "./csv.ts";

export interface MountSpec {
  Type: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: Record<string, unknown>;
  VolumeOptions?: {
    NoCopy?: boolean;
    Labels?: Record<string, string>;
    Subpath?: string;
    DriverConfig?: { Name?: string; Options?: Record<string, string> };
  };
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

const VALUELESS = ["readonly", "ro", "volume-nocopy", "bind-nonrecursive"];

function flag(key: string, value: string | undefined): boolean {
  if (value === undefined || ["1", "true", "TRUE", "True", "t", "T"].includes(value)) return true;
  if (["0", "false", "FALSE", "False", "f", "F"].includes(value)) return false;
  throw new Error(`invalid value for ${key}: ${value}`);
}

const RECURSIVE: Record<string, Record<string, boolean> | null> = {
  enabled: null,
  disabled: { NonRecursive: true },
  writable: { ReadOnlyNonRecursive: true },
  readonly: { ReadOnlyForceRecursive: true },
};

function entry(map: Record<string, string> | undefined, word: string): Record<string, string> {
  const at = word.indexOf("=");
  return { ...map, [at < 0 ? word : word.slice(0, at)]: at < 0 ? "" : word.slice(at + 1) };
}

export function parseMount(word: string): MountSpec {
  const mount: MountSpec = { Type: "volume" };
  if (word.trim() === "") throw new Error("EOF");
  for (const field of parseCsv(word.trim())) {
    const at = field.indexOf("=");
    const name = at < 0 ? field : field.slice(0, at);
    const value = at < 0 ? undefined : field.slice(at + 1);
    if (name.trim() !== name)
      throw new Error(`invalid option '${name.trim()}' in '${field}': option should not have whitespace`);
    if (value !== undefined) {
      if (value.trim() === "") throw new Error(`invalid value for '${name}': value is empty`);
      if (value.trim() !== value)
        throw new Error(`invalid value for '${name}' in '${field}': value should not have whitespace`);
    }
    const key = name.toLowerCase();
    if (value === undefined && !VALUELESS.includes(key))
      throw new Error(`invalid field '${field}' must be a key=value pair`);
    apply(mount, key, value ?? "", value, field);
  }
  return check(mount);
}

function apply(mount: MountSpec, key: string, value: string, given: string | undefined, field: string): void {
  const bad = (): never => {
    throw new Error(`invalid value for ${key}: ${value}`);
  };
  switch (key) {
    case "type":
      mount.Type = value.toLowerCase();
      return;
    case "source":
    case "src":
      mount.Source = value.startsWith(".") ? path().resolve(value) : value;
      return;
    case "target":
    case "dst":
    case "destination":
      mount.Target = value;
      return;
    case "readonly":
    case "ro":
      mount.ReadOnly = flag(key, given);
      return;
    case "consistency":
      mount.Consistency = value.toLowerCase();
      return;
    case "bind-propagation":
      mount.BindOptions = { ...mount.BindOptions, Propagation: value.toLowerCase() };
      return;
    case "bind-nonrecursive":
      mount.BindOptions = { ...mount.BindOptions, NonRecursive: flag(key, given) };
      return;
    case "bind-recursive":
      if (!Object.hasOwn(RECURSIVE, value)) {
        throw new Error(
          `invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
        );
      }
      if (RECURSIVE[value]) mount.BindOptions = { ...mount.BindOptions, ...RECURSIVE[value] };
      return;
    case "volume-subpath":
      mount.VolumeOptions = { ...mount.VolumeOptions, Subpath: value };
      return;
    case "volume-nocopy":
      mount.VolumeOptions = { ...mount.VolumeOptions, NoCopy: flag(key, given) };
      return;
    case "volume-label":
      mount.VolumeOptions = { ...mount.VolumeOptions, Labels: entry(mount.VolumeOptions?.Labels, value) };
      return;
    case "volume-driver":
      mount.VolumeOptions = {
        ...mount.VolumeOptions,
        DriverConfig: { ...mount.VolumeOptions?.DriverConfig, Name: value },
      };
      return;
    case "volume-opt": {
      const before = mount.VolumeOptions?.DriverConfig;
      mount.VolumeOptions = {
        ...mount.VolumeOptions,
        DriverConfig: { ...before, Options: entry(before?.Options, value) },
      };
      return;
    }
    case "image-subpath":
      mount.ImageOptions = { Subpath: value };
      return;
    case "tmpfs-size":
      try {
        mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: parseByteSize(value) };
      } catch {
        bad();
      }
      return;
    case "tmpfs-mode":
      if (!/^[0-7]+$/.test(value)) bad();
      mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: Number.parseInt(value, 8) };
      return;
    default:
      throw new Error(`unexpected key '${key}' in '${field}'`);
  }
}

function check(mount: MountSpec): MountSpec {
  if (mount.Type === "") throw new Error("type is required");
  if (mount.VolumeOptions && mount.Type !== "volume")
    throw new Error(`cannot mix 'volume-*' options with mount type '${mount.Type}'`);
  if (mount.ImageOptions && mount.Type !== "image")
    throw new Error(`cannot mix 'image-*' options with mount type '${mount.Type}'`);
  if (mount.BindOptions && mount.Type !== "bind")
    throw new Error(`cannot mix 'bind-*' options with mount type '${mount.Type}'`);
  if (mount.TmpfsOptions && mount.Type !== "tmpfs")
    throw new Error(`cannot mix 'tmpfs-*' options with mount type '${mount.Type}'`);
  if (mount.Target === undefined) throw new Error("target is required");
  const bind = mount.BindOptions;
  if (bind?.ReadOnlyNonRecursive && !mount.ReadOnly)
    throw new Error("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
  if (bind?.ReadOnlyForceRecursive) {
    if (!mount.ReadOnly)
      throw new Error("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
    if (bind.Propagation !== "rprivate") {
      throw new Error(
        "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
      );
    }
  }
  return mount;
}

/** What a `-v` word means. */
export type VolumeWord = { kind: "anonymous"; target: string } | { kind: "bind"; bind: string };

/** `-v [SOURCE:]TARGET[:OPTIONS]`. A source that starts with a dot is relative to here. */
export function parseVolume(word: string): VolumeWord {
  if (word === "") throw new Error("invalid empty volume spec");
  const parts = word.split(":");
  // Docker takes so short a word for a drive's letter.
  if (parts.length === 1 || word.length <= 2) return { kind: "anonymous", target: word };
  const source = parts[0] as string;
  // The daemon has its own words for this.
  if (parts.length > 3) return { kind: "bind", bind: word };
  if (source === "" || parts[1] === "")
    throw new Error(`invalid spec: ${word}: empty section between colons`);
  if (!source.startsWith(".")) return { kind: "bind", bind: word };
  return { kind: "bind", bind: [path().resolve(source), ...parts.slice(1)].join(":") };
}
