/**
 * The root file system: mounted in the container's own mount namespace (so the host never sees it), and made the
 * root by pivot_root.
 * @source pivot_root(2); overlayfs.rst
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT } from "../../ffi/file.ts";
import { readText } from "../../ffi/host.ts";
import { MNT, MOUNT_ATTR, MS } from "../../ffi/mount.ts";
import { EngineError } from "../errors.ts";
import type { Rootfs } from "../shim/types.ts";
import { unescapeOctal } from "./cgroup-layout.ts";
import { openHost } from "./inside.ts";
import { propagationOf } from "./mount-options.ts";
import { attach, cloneTree, setAttributes } from "./mounts.ts";
import { makeOverlay } from "./overlay.ts";
import { flags, type PlanBuilder } from "./plan.ts";

export interface RootOptions {
  rootfs: Rootfs;
  /** The specification's `rootfsPropagation`. */
  propagation?: string | undefined;
  /** Not over "/", but where the host has it: for hooks, which enter the namespace and look there. */
  inPlace?: boolean;
}

const quoted = (text: string) => JSON.stringify(text);

/**
 * Mounts the root over "/" of the new mount namespace, at `fd`. "/" itself is what paths go on meaning until the
 * pivot; and it is a place that is always there.
 */
export function mountRoot(plan: PlanBuilder, fd: number, options: RootOptions): void {
  const slave = propagationOf(options.propagation || "rslave");
  if (slave === undefined)
    throw new EngineError("invalid", `rootfsPropagation=${options.propagation} is not supported`);
  const label = "error preparing rootfs";
  plan.call("mount", [0, plan.string("/"), 0, slave, 0], { label: `${label}: change propagation` });
  // A shared parent would send our mounts to the host, and pivot_root refuses one.
  const parent = slave & MS.MS_SLAVE ? MS.MS_SLAVE : MS.MS_PRIVATE;
  plan.call("mount", [0, plan.string("/"), 0, parent, 0], { label: `${label}: change propagation` });
  makeRoot(plan, fd, options.rootfs);
  const root = plan.fd();
  const place = options.inPlace && options.rootfs.kind === "path" ? options.rootfs.path : "/";
  openHost(plan, place, ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { label, fd: root });
  attach(plan, fd, root, `${label}: attach`);
}

function makeRoot(plan: PlanBuilder, fd: number, rootfs: Rootfs): void {
  if (rootfs.kind === "path") {
    cloneTree(plan, AT.AT_FDCWD, rootfs.path, {
      fd,
      recursive: true,
      label: `error preparing rootfs: bind ${quoted(rootfs.path)}`,
    });
    return;
  }
  makeOverlay(plan, fd, rootfs);
}

/** Makes the mount at `fd` the root, and lets go of the old one. */
export function pivotRoot(
  plan: PlanBuilder,
  fd: number,
  options: { noPivot: boolean; propagation?: string | undefined },
): void {
  const label = "error jailing process inside rootfs";
  plan.call("fchdir", [fd], { label });
  const here = plan.string(".");
  if (options.noPivot) {
    // It lies over "/" already, which is all that MS_MOVE would do.
    plan.call("chroot", [here], { label });
  } else {
    // The old root ends up over the new one, at ".".
    const old = plan.fd();
    openHost(plan, "/", ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { label, fd: old });
    plan.call("pivot_root", [here, here], { label: `${label}: pivot_root` });
    plan.call("fchdir", [old], { label });
    plan.call("mount", [0, here, 0, MS.MS_SLAVE | MS.MS_REC, 0], { label });
    plan.call("umount2", [here, flags(MNT, "MNT_DETACH")], { label });
  }
  plan.call("chdir", [plan.string("/")], { label });
  const own = options.propagation ? (propagationOf(options.propagation) ?? 0) : 0;
  if (own & (MS.MS_SHARED | MS.MS_UNBINDABLE)) {
    plan.call("mount", [0, plan.string("/"), 0, own, 0], { label: "unable to apply root propagation flags" });
  }
}

/**
 * Takes the host's procfs and sysfs out of the container's mount namespace, where they stay below the new root without
 * a pivot_root: as long as there is one without anything over it, the kernel lets whoever makes a user namespace mount
 * another, in which nothing is masked.
 */
export function hideKernelFiles(plan: PlanBuilder, mountinfo = readText("/proc/self/mountinfo")): void {
  const gone = plan.slot("unmounted");
  const tmpfs = plan.string("tmpfs");
  for (const { type, path } of parseMounts(mountinfo).reverse()) {
    if (type !== "proc" && type !== "sysfs") continue;
    const label = `error jailing process inside rootfs: unmount ${path}`;
    const place = plan.string(path);
    // Or the host would lose it, too, where the container shares its mounts.
    plan.call("mount", [0, place, 0, MS.MS_SLAVE | MS.MS_REC, 0], { label, tolerate: [ERRNO.EINVAL] });
    plan.call("umount2", [place, flags(MNT, "MNT_DETACH")], {
      label,
      slot: gone,
      tolerate: [ERRNO.EINVAL, ERRNO.EPERM],
    });
    // In a user namespace they are locked.
    plan.unless(gone, "not negative", () => plan.call("mount", [tmpfs, place, tmpfs, 0, 0], { label }));
  }
}

const parseMounts = (mountinfo: string): { type: string; path: string }[] =>
  mountinfo
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const fields = line.split(" ");
      return { path: unescapeOctal(fields[4] ?? ""), type: fields[fields.indexOf("-") + 1] ?? "" };
    });

export function makeRootReadonly(plan: PlanBuilder, fd: number): void {
  setAttributes(
    plan,
    fd,
    { set: MOUNT_ATTR.MOUNT_ATTR_RDONLY, clear: 0 },
    { label: "error setting rootfs as readonly" },
  );
}
