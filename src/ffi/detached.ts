/**
 * Mounts that are attached nowhere: an overlay as a directory descriptor, seen by no other process, gone with its
 * last descriptor. No namespace is entered, so this is safe in a process with threads.
 * @source fsopen(2), fsconfig(2), fsmount(2); kernel Documentation/filesystems/overlayfs.rst
 */
import type { Pointer } from "bun:ffi";
import { close, FsError, O } from "./fs.ts";
import { openLibc } from "./libc.ts";
import { FSCONFIG, FSOPEN } from "./mount.ts";
import { FFIType, ptr, read } from "./native.ts";
import { overlayTakesLayers, splitOption } from "./overlay.ts";
import { SYSCALLS } from "./syscalls.ts";

const { i32, i64 } = FFIType;
const P = FFIType.ptr;

const SYMBOLS = {
  __errno_location: { args: [], returns: P },
  syscall: { args: [i64, i64, i64, P, P, i64], returns: i64 },
  open: { args: [P, i32, i32], returns: i32 },
  getxattr: { args: [P, P, P, i64], returns: i64 },
  lgetxattr: { args: [P, P, P, i64], returns: i64 },
} as const;

const c = openLibc(SYMBOLS).symbols;
const errnoAt = c.__errno_location() as Pointer;
const column = process.arch === "arm64" ? 1 : 0;
const number = (name: "fsopen" | "fsconfig" | "fsmount"): number => SYSCALLS[name][column] as number;
const cstring = (text: string): Buffer => Buffer.from(`${text}\0`, "utf8");

function check(result: number | bigint, call: string, what: string): number {
  const value = Number(result);
  if (value < 0) throw new FsError(call, what, read.i32(errnoAt));
  return value;
}

/** Opens a directory of the host by path, for use as a layer. */
function openDirectory(path: string): number {
  return check(c.open(cstring(path), O.PATH | O.DIRECTORY | O.CLOEXEC, 0), "open", path);
}

/** fsopen takes its string where the wrapper has an integer: its address. */
function fsopen(type: string): number {
  const name = cstring(type);
  return check(c.syscall(number("fsopen"), ptr(name), FSOPEN.FSOPEN_CLOEXEC, null, null, 0), "fsopen", type);
}

function set(context: number, key: string, value?: string): void {
  const k = cstring(key);
  const v = value === undefined ? null : cstring(value);
  const command = value === undefined ? FSCONFIG.FSCONFIG_SET_FLAG : FSCONFIG.FSCONFIG_SET_STRING;
  check(c.syscall(number("fsconfig"), context, command, k, v, 0), "fsconfig", `${key}=${value ?? ""}`);
}

export interface OverlayLayers {
  /** Top layer first. */
  lower: readonly string[];
  upper: string;
  work: string;
  options?: readonly string[];
}

/** A descriptor (O_PATH) of the root of an overlay. The caller closes it, and with it the mount. */
export function mountOverlay(layers: OverlayLayers): number {
  const held: number[] = [];
  // Strings of fsconfig end at 255 bytes: a descriptor's path is always shorter.
  const short = (path: string): string => {
    const fd = openDirectory(path);
    held.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  try {
    const context = fsopen("overlay");
    held.push(context);
    const paths = layers.lower.map(short);
    if (overlayTakesLayers()) {
      for (const path of paths) set(context, "lowerdir+", path);
    } else {
      set(context, "lowerdir", paths.join(":"));
    }
    set(context, "upperdir", short(layers.upper));
    set(context, "workdir", short(layers.work));
    for (const { key, value } of (layers.options ?? []).map(splitOption)) set(context, key, value);
    check(
      c.syscall(number("fsconfig"), context, FSCONFIG.FSCONFIG_CMD_CREATE, null, null, 0),
      "mount",
      "overlay",
    );
    return check(
      c.syscall(number("fsmount"), context, FSOPEN.FSMOUNT_CLOEXEC, null, null, 0),
      "fsmount",
      "overlay",
    );
  } finally {
    for (const fd of held) close(fd);
  }
}

const value = Buffer.alloc(4096);

/** An extended attribute of what a descriptor (O_PATH too) refers to; undefined when it has none of that name. */
export function xattrOf(fd: number, name: string): Uint8Array | undefined {
  const length = Number(c.getxattr(cstring(`/proc/self/fd/${fd}`), cstring(name), ptr(value), value.length));
  return length < 0 ? undefined : Uint8Array.prototype.slice.call(value, 0, length);
}

/** An extended attribute of a name in a directory; of a symlink itself, which a container may put there meanwhile. */
export function xattrAt(dir: number, leaf: string, name: string): Uint8Array | undefined {
  const length = Number(
    c.lgetxattr(
      Buffer.concat([Buffer.from(`/proc/self/fd/${dir}/${leaf}`, "latin1"), Buffer.alloc(1)]),
      cstring(name),
      ptr(value),
      value.length,
    ),
  );
  return length < 0 ? undefined : Uint8Array.prototype.slice.call(value, 0, length);
}
