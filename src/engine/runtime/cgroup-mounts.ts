/**
 * A mount of type `cgroup` in the specification: what it is depends on what the host has.
 * @source runc's mountCgroupV1 and mountCgroupV2; cgroup_namespaces(7)
 */
import { MOUNT_ATTR } from "../../ffi/mount.ts";
import { type Cgroup, isUnified, unifiedFolder } from "./cgroup-layout.ts";
import { baseName, cleanPath, type Inside, openInside } from "./inside.ts";
import { parseMountOptions } from "./mount-options.ts";
import { type Mounter, setAttributes } from "./mounts.ts";
import type { Mount } from "./spec.ts";

const GUARDED = MOUNT_ATTR.MOUNT_ATTR_NOSUID | MOUNT_ATTR.MOUNT_ATTR_NODEV | MOUNT_ATTR.MOUNT_ATTR_NOEXEC;

export interface CgroupMountOptions {
  cgroup: Cgroup;
  /** A cgroup namespace of its own: then a new mount shows the container's cgroup as the root. */
  namespaced: boolean;
  /** In a user namespace without a cgroup namespace, nothing can be mounted, only bound. */
  bindOnly: boolean;
}

export function addCgroupMount(
  at: Inside,
  mounter: Mounter,
  mount: Mount,
  options: CgroupMountOptions,
): void {
  const parsed = parseMountOptions(mount.options ?? []);
  const attributes = parsed.mount.set | GUARDED;
  const target = cleanPath(mount.destination);
  const label = `error mounting "cgroup" to rootfs at ${JSON.stringify(mount.destination)}`;
  if (isUnified(options.cgroup)) {
    const folder = unifiedFolder(options.cgroup);
    if (options.bindOnly && folder) mounter.bindAt(folder.path, target, attributes, label);
    else mounter.at(target, { type: "cgroup2", source: "cgroup", data: parsed.data, attributes }, label);
    return;
  }
  const data = [{ key: "mode", value: "755" }];
  mounter.at(target, { type: "tmpfs", source: "tmpfs", data, attributes: GUARDED }, label);
  openInside(at, target, { label, flags: ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], fd: at.folder });
  for (const folder of options.cgroup) {
    if (folder.version !== 1) continue;
    const name = baseName(folder.mountpoint);
    if (options.namespaced && !options.bindOnly) {
      mounter.below(
        name,
        { type: "cgroup", source: "cgroup", data: hierarchyData(folder.controllers), attributes },
        label,
      );
    } else mounter.bindBelow(name, folder.path, label);
    if (name.includes(",")) linkControllers(at, name, label);
  }
  // When all that goes into it is there, and before anybody can use it: bind mounts have the host's attributes.
  setAttributes(at.plan, at.folder, { set: attributes, clear: 0 }, { tree: true, label });
}

const hierarchyData = (controllers: readonly string[]) =>
  controllers.flatMap((controller) => {
    if (!controller.startsWith("name=")) return [{ key: controller }];
    return [{ key: "none" }, { key: "name", value: controller.slice(5) }];
  });

/** `cpu` → `cpu,cpuacct`: programs look for either. */
function linkControllers(at: Inside, name: string, label: string): void {
  for (const controller of name.split(",")) {
    at.plan.call("symlinkat", [at.plan.string(name), at.folder, at.plan.string(controller)], { label });
  }
}
