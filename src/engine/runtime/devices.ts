/**
 * Device files of a container, and the links that every /dev has.
 * @source config-linux.md "Devices", "Default Devices"; runc's set
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT, S } from "../../ffi/file.ts";
import { exists } from "../../ffi/host.ts";
import { EngineError } from "../errors.ts";
import {
  baseName,
  cleanPath,
  type Inside,
  makeFolders,
  openInside,
  openOrMakeFile,
  parentOf,
} from "./inside.ts";
import { attach, cloneTree } from "./mounts.ts";
import { named } from "./plan.ts";
import type { Device } from "./spec.ts";

const everybody = (path: string, major: number, minor: number): Device => ({
  path,
  type: "c",
  major,
  minor,
  fileMode: 0o666,
});

export const DEFAULT_DEVICES: readonly Device[] = [
  everybody("/dev/null", 1, 3),
  everybody("/dev/zero", 1, 5),
  everybody("/dev/full", 1, 7),
  everybody("/dev/random", 1, 8),
  everybody("/dev/urandom", 1, 9),
  everybody("/dev/tty", 5, 0),
];

const KCORE = "/proc/kcore";

/** The last only where the kernel has /proc/kcore: runc checks so, too. */
const LINKS: readonly (readonly [string, string])[] = [
  ["/proc/self/fd", "fd"],
  ["/proc/self/fd/0", "stdin"],
  ["/proc/self/fd/1", "stdout"],
  ["/proc/self/fd/2", "stderr"],
  [KCORE, "core"],
];

const TYPES: Record<string, number> = { c: S.S_IFCHR, u: S.S_IFCHR, b: S.S_IFBLK, p: S.S_IFIFO };

/** As mknod(2) takes it: 12 bits of major, 20 of minor, folded. */
export const makeDevice = (major: number, minor: number): number =>
  (minor & 0xff) + (major & 0xfff) * 0x100 + (minor >>> 8) * 0x100000;

/** Folder by folder, so that /dev is opened once. In a user namespace nothing can be made: the host's are bound. */
export function addDevices(at: Inside, devices: readonly Device[], bind: boolean): void {
  for (const { path } of devices)
    if (!path) throw new EngineError("invalid", "a device of the specification has no path");
  const given = new Set(devices.map((device) => cleanPath(device.path)));
  const all: Device[] = [];
  for (const device of DEFAULT_DEVICES) if (!given.has(device.path)) all.push(device);
  all.push(...devices);
  let opened = "";
  for (const device of all) {
    const path = cleanPath(device.path);
    if (path === "/dev/ptmx") continue;
    const label = `error creating device node ${JSON.stringify(device.path)}`;
    if (bind) {
      bindDevice(at, path, label);
      continue;
    }
    if (opened !== parentOf(path)) {
      opened = parentOf(path);
      openDeviceFolder(at, opened, label);
    }
    makeNode(at, device, path, label);
  }
}

function openDeviceFolder(at: Inside, folder: string, label: string): void {
  const found = openInside(at, folder, {
    label,
    flags: ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"],
    tolerate: [ERRNO.ENOENT],
    fd: at.folder,
  });
  at.plan.unless(found, "not negative", () => makeFolders(at, folder, label));
}

/** The umask is 0 while a root file system is set up, so the mode needs no second call. One that is there stays. */
function makeNode({ plan, folder, result: made }: Inside, device: Device, path: string, label: string): void {
  const type = TYPES[device.type];
  if (type === undefined)
    throw new EngineError("invalid", `${device.type} is not a valid device type for device ${device.path}`);
  const mode = type | (device.fileMode ?? 0o666);
  const number = makeDevice(device.major ?? 0, device.minor ?? 0);
  const name = plan.string(baseName(path));
  const show = named(`${device.major ?? 0}:${device.minor ?? 0}`, number);
  plan.call("mknodat", [folder, name, named(`0${mode.toString(8)}`, mode), show], {
    label,
    slot: made,
    tolerate: [ERRNO.EEXIST],
  });
  if (!device.uid && !device.gid) return;
  plan.unless(made, "negative", () => {
    plan.call(
      "fchownat",
      [folder, name, device.uid ?? 0, device.gid ?? 0, named("AT_SYMLINK_NOFOLLOW", AT.AT_SYMLINK_NOFOLLOW)],
      { label },
    );
  });
}

function bindDevice(at: Inside, path: string, label: string): void {
  const mount = at.folder;
  openOrMakeFile(at, path, label);
  cloneTree(at.plan, AT.AT_FDCWD, path, { fd: mount, recursive: false, label });
  attach(at.plan, mount, at.target, label);
}

/** /dev/fd and its like, and /dev/ptmx of the container's own devpts. */
export function addDeviceLinks(at: Inside): void {
  const { plan, folder } = at;
  const label = "error setting up /dev symlinks";
  openDeviceFolder(at, "/dev", label);
  for (const [to, name] of LINKS) {
    if (to === KCORE && !exists(KCORE)) continue;
    plan.call("symlinkat", [plan.string(to), folder, plan.string(name)], { label, tolerate: [ERRNO.EEXIST] });
  }
  const ptmx = plan.string("ptmx");
  plan.call("unlinkat", [folder, ptmx, 0], { label: "error setting up ptmx", tolerate: [ERRNO.ENOENT] });
  plan.call("symlinkat", [plan.string("pts/ptmx"), folder, ptmx], { label: "error setting up ptmx" });
}
