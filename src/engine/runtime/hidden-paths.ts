/**
 * Paths of a container that are hidden or read-only. What hides them is the host's own /dev/null, taken by
 * descriptor: one in the image could be anything.
 * @source config-linux.md "Masked Paths", "Readonly Paths"; CVE-2025-31133
 */
import { ERRNO } from "../../ffi/errno.ts";
import { MNT, MOUNT_ATTR } from "../../ffi/mount.ts";
import { cleanPath, type Inside, openHost, openInside } from "./inside.ts";
import { attach, cloneTree, newMount, setAttributes } from "./mounts.ts";
import { flags } from "./plan.ts";

const RDONLY = MOUNT_ATTR.MOUNT_ATTR_RDONLY;

/** What is not there needs no hiding; nor what cannot be: `/proc/x` when /proc is not mounted. */
const ABSENT = [ERRNO.ENOENT, ERRNO.ENOTDIR] as const;

export function addReadonlyPaths(at: Inside, paths: readonly string[]): void {
  const { plan, target, folder: mount } = at;
  for (const path of new Set(paths.map(cleanPath))) {
    const label = `can't make ${JSON.stringify(path)} read-only`;
    const found = openInside(at, path, { label, tolerate: ABSENT });
    plan.unless(found, "negative", () => {
      cloneTree(plan, target, "", { fd: mount, recursive: true, label });
      setAttributes(plan, mount, { set: RDONLY, clear: 0 }, { label });
      attach(plan, mount, target, label);
    });
  }
}

const EMPTY = [
  { key: "nr_blocks", value: "1" },
  { key: "nr_inodes", value: "1" },
];

/** A file over a folder. */
const OTHER_KIND = [ERRNO.EINVAL, ERRNO.ENOTDIR] as const;

/**
 * Files get /dev/null over them, folders an empty read-only tmpfs, which they share. `hooks` will look at the host's
 * /dev in this mount namespace.
 */
export function addMaskedPaths(at: Inside, paths: readonly string[], hooks = false): void {
  if (paths.length === 0) return;
  const { plan, target, folder: mount, result: attached } = at;
  const nothing = plan.fd();
  const empty = plan.fd();
  openHost(plan, "/dev/null", ["O_PATH", "O_CLOEXEC"], { label: "open /dev/null", fd: nothing });
  mountEmpty(at, empty);
  for (const path of new Set(paths.map(cleanPath))) {
    const label = `can't mask path ${JSON.stringify(path)}`;
    const next = plan.label(`after ${path}`);
    const found = openInside(at, path, { label, tolerate: ABSENT });
    plan.jumpWhen(found, "negative", next);
    cloneTree(plan, nothing, "", { fd: mount, recursive: false, label });
    attach(plan, mount, target, label, { slot: attached, tolerate: OTHER_KIND });
    plan.jumpWhen(attached, "not negative", next);
    cloneTree(plan, empty, "", { fd: mount, recursive: false, label });
    attach(plan, mount, target, label);
    plan.place(next);
  }
  if (hooks)
    plan.call("umount2", [plan.string("/dev"), flags(MNT, "MNT_DETACH")], { label: "show the host's /dev" });
}

/**
 * Only a mount that is attached somewhere can be copied: over the host's /dev, in this mount namespace alone, where
 * nothing is looked up any more.
 */
function mountEmpty({ plan, target }: Inside, fd: number): void {
  const label = "make an empty folder";
  newMount(plan, { type: "tmpfs", source: "tmpfs", data: EMPTY, attributes: RDONLY }, fd, label);
  openHost(plan, "/dev", ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { label, fd: target });
  attach(plan, fd, target, label);
}
