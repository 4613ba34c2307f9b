/**
 * The options of an OCI mount, sorted by what the kernel does with them: attributes of the mount, the same for the
 * whole tree, propagation, flags of the file system, and data for the file system itself.
 * @source config.md "Linux mount options"; mount(8); mount_setattr(2)
 */
import { MOUNT_ATTR, MS } from "../../ffi/mount.ts";

export interface MountAttributes {
  set: number;
  clear: number;
}

export interface MountOptions {
  bind: boolean;
  recursive: boolean;
  mount: MountAttributes;
  /** `rro` and so on: for every mount below, too. */
  tree: MountAttributes;
  /** In the order given; MS_REC is among the flags when the whole tree is meant. */
  propagation: number[];
  /** Given to the file system's context: a flag, or a key and a value. */
  data: { key: string; value?: string }[];
  copyUp: boolean;
  idmap: boolean;
}

const A = MOUNT_ATTR;
const ATIME = A.MOUNT_ATTR__ATIME;

/** [set, clear] */
const ATTRIBUTES: Record<string, readonly [number, number]> = {
  ro: [A.MOUNT_ATTR_RDONLY, 0],
  rw: [0, A.MOUNT_ATTR_RDONLY],
  nosuid: [A.MOUNT_ATTR_NOSUID, 0],
  suid: [0, A.MOUNT_ATTR_NOSUID],
  nodev: [A.MOUNT_ATTR_NODEV, 0],
  dev: [0, A.MOUNT_ATTR_NODEV],
  noexec: [A.MOUNT_ATTR_NOEXEC, 0],
  exec: [0, A.MOUNT_ATTR_NOEXEC],
  nodiratime: [A.MOUNT_ATTR_NODIRATIME, 0],
  diratime: [0, A.MOUNT_ATTR_NODIRATIME],
  nosymfollow: [A.MOUNT_ATTR_NOSYMFOLLOW, 0],
  symfollow: [0, A.MOUNT_ATTR_NOSYMFOLLOW],
  // The access time is one field of the mount: it is replaced, so it has to be cleared to be set.
  relatime: [A.MOUNT_ATTR_RELATIME, ATIME],
  norelatime: [A.MOUNT_ATTR_STRICTATIME, ATIME],
  noatime: [A.MOUNT_ATTR_NOATIME, ATIME],
  atime: [A.MOUNT_ATTR_RELATIME, ATIME],
  strictatime: [A.MOUNT_ATTR_STRICTATIME, ATIME],
  nostrictatime: [A.MOUNT_ATTR_RELATIME, ATIME],
};

const PROPAGATION: Record<string, number> = {
  private: MS.MS_PRIVATE,
  rprivate: MS.MS_PRIVATE | MS.MS_REC,
  slave: MS.MS_SLAVE,
  rslave: MS.MS_SLAVE | MS.MS_REC,
  shared: MS.MS_SHARED,
  rshared: MS.MS_SHARED | MS.MS_REC,
  unbindable: MS.MS_UNBINDABLE,
  runbindable: MS.MS_UNBINDABLE | MS.MS_REC,
};

/** Of the superblock; every file system takes them as flags. */
const SUPERBLOCK = new Set(["sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand"]);
/** Accepted and without an effect here, as with mount(2). */
const IGNORED = new Set(["defaults", "silent", "loud", "remount", "iversion", "noiversion"]);

/** All that have a meaning here, for `tsrunc features`. */
export const knownMountOptions = (): string[] =>
  [
    ...Object.keys(ATTRIBUTES),
    ...Object.keys(ATTRIBUTES).map((name) => `r${name}`),
    ...Object.keys(PROPAGATION),
    ...SUPERBLOCK,
    ...IGNORED,
    "bind",
    "rbind",
  ].sort();

export const propagationOf = (name: string): number | undefined => PROPAGATION[name];

function apply(attributes: MountAttributes, [set, clear]: readonly [number, number]): void {
  attributes.set = (attributes.set & ~clear) | set;
  attributes.clear = (attributes.clear & ~(clear === ATIME ? 0 : set)) | clear;
}

export function parseMountOptions(options: readonly string[]): MountOptions {
  const parsed: MountOptions = {
    bind: false,
    recursive: false,
    mount: { set: 0, clear: 0 },
    tree: { set: 0, clear: 0 },
    propagation: [],
    data: [],
    copyUp: false,
    idmap: false,
  };
  for (const option of options) {
    const propagation = PROPAGATION[option];
    const attribute = ATTRIBUTES[option];
    const tree = option.startsWith("r") ? ATTRIBUTES[option.slice(1)] : undefined;
    if (option === "bind" || option === "rbind") {
      parsed.bind = true;
      parsed.recursive ||= option === "rbind";
    } else if (propagation !== undefined) parsed.propagation.push(propagation);
    else if (attribute) apply(parsed.mount, attribute);
    else if (tree) apply(parsed.tree, tree);
    else if (option === "tmpcopyup") parsed.copyUp = true;
    else if (option === "idmap" || option === "ridmap") parsed.idmap = true;
    else if (SUPERBLOCK.has(option)) parsed.data.push({ key: option });
    else if (option !== "" && !IGNORED.has(option)) {
      const equals = option.indexOf("=");
      if (equals < 0) parsed.data.push({ key: option });
      else parsed.data.push({ key: option.slice(0, equals), value: option.slice(equals + 1) });
    }
  }
  return parsed;
}
