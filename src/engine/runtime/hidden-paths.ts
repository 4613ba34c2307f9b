/**
 * Paths of a container that are hidden or read-only. What hides them is the host's own /dev/null, taken by
 * descriptor: one in the image could be anything.
 * @source config-linux.md "Masked Paths", "Readonly Paths"; CVE-2025-31133
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT } from "../../ffi/file.ts";
import { MOUNT_ATTR } from "../../ffi/mount.ts";
import { cleanPath, type Inside, openInside } from "./inside.ts";
import { attach, cloneTree, newMount, setAttributes } from "./mounts.ts";

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

/** Files get /dev/null over them, folders an empty read-only tmpfs, which they share. */
export function addMaskedPaths(at: Inside, paths: readonly string[]): void {
  if (paths.length === 0) return;
  const { plan, target, folder: mount, result: isFolder } = at;
  const empty = plan.fd();
  const haveEmpty = plan.slot("the empty folder is mounted");
  newMount(
    plan,
    { type: "tmpfs", source: "tmpfs", data: EMPTY, attributes: RDONLY },
    empty,
    "make an empty folder",
  );
  for (const path of new Set(paths.map(cleanPath))) {
    const label = `can't mask path ${JSON.stringify(path)}`;
    const next = plan.label(`after ${path}`);
    const folderCase = plan.label(`${path} is a folder`);
    const firstFolder = plan.label(`${path} is the first folder`);
    const found = openInside(at, path, { label, tolerate: ABSENT });
    plan.jumpWhen(found, "negative", next);
    plan.call("faccessat", [target, plan.string("."), 0], { label, slot: isFolder, tolerate: "all" });
    plan.jumpWhen(isFolder, "zero", folderCase);
    cloneTree(plan, AT.AT_FDCWD, "/dev/null", { fd: mount, recursive: false, label });
    attach(plan, mount, target, label);
    plan.jump(next);
    plan.place(folderCase);
    plan.jumpWhen(haveEmpty, "zero", firstFolder);
    // Only a mount that is attached can be copied; the copies are of the first one.
    cloneTree(plan, empty, "", { fd: mount, recursive: false, label });
    attach(plan, mount, target, label);
    plan.jump(next);
    plan.place(firstFolder);
    attach(plan, empty, target, label);
    plan.call("getpid", [], { label, slot: haveEmpty });
    plan.place(next);
  }
}
