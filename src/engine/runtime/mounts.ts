/**
 * The mounts of a container, as plan steps: made detached, given their attributes, and only then attached to a
 * mount point that was opened inside the root. No path that a container could swap is ever mounted on.
 * @source config.md "Mounts"; fsopen(2), open_tree(2), mount_setattr(2), move_mount(2)
 */

import { ERRNO } from "../../ffi/errno.ts";
import { AT } from "../../ffi/file.ts";
import { FSCONFIG, FSOPEN, MOUNT_ATTR, MOUNT_ATTR_SIZE, MOVE_MOUNT, MS, OPEN_TREE } from "../../ffi/mount.ts";
import { EngineError } from "../errors.ts";
import { type Copies, copyUp, type Entry } from "./copy-up.ts";
import {
  cleanPath,
  type Inside,
  makeMountFile,
  openInside,
  openOrMakeFolder,
  openOrMakeOrdinaryFolder,
} from "./inside.ts";
import { type MountAttributes, type MountOptions, parseMountOptions } from "./mount-options.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";
import { refuseProc, unlessProc } from "./proc-files.ts";
import type { Mount } from "./spec.ts";
import type { Data, Named, Slot, Tolerate } from "./steps.ts";

const EMPTY_PATH = flags(AT, "AT_EMPTY_PATH");
const ATTACH = flags(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH", "MOVE_MOUNT_T_EMPTY_PATH");
const ATTACH_AT = flags(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH");
const FS_CLOEXEC = flags(FSOPEN, "FSOPEN_CLOEXEC");
const MOUNT_CLOEXEC = flags(FSOPEN, "FSMOUNT_CLOEXEC");
const SET_FLAG = flags(FSCONFIG, "FSCONFIG_SET_FLAG");
const SET_STRING = flags(FSCONFIG, "FSCONFIG_SET_STRING");
const CREATE = flags(FSCONFIG, "FSCONFIG_CMD_CREATE");
const CWD = flags(AT, "AT_FDCWD");
const CLONE = flags(OPEN_TREE, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC");
const also = (flag: Named): Named =>
  named(`${CLONE.show}|${flag.show}`, Number(CLONE.value) | Number(flag.value));
const CLONE_TREE = also(flags(AT, "AT_RECURSIVE"));
const CLONE_FD = also(EMPTY_PATH);
const TREE = flags(AT, "AT_EMPTY_PATH", "AT_RECURSIVE");
const CLONE_FD_TREE = also(TREE);
const REC = MS.MS_REC as number;

/** Names of the attribute bits, for `explain`. In plain loops, as all that a start goes through. */
function attributeNames(bits: number): string {
  let names = "";
  for (const name in MOUNT_ATTR) {
    if (bits === 0) break;
    const bit = MOUNT_ATTR[name as keyof typeof MOUNT_ATTR];
    if (bit === 0 || bit === MOUNT_ATTR.MOUNT_ATTR__ATIME || (bits & bit) !== bit) continue;
    names += names === "" ? name : `|${name}`;
  }
  return names || "0";
}

function mountAttr(plan: PlanBuilder, { set, clear }: MountAttributes, propagation = 0): Data {
  const show = `{set ${attributeNames(set)}, clear ${attributeNames(clear)}${propagation ? `, propagation ${propagation}` : ""}}`;
  return plan.struct(MOUNT_ATTR_SIZE, show, [
    [0, "u64", set],
    [8, "u64", clear],
    [16, "u64", propagation],
  ]);
}

/** Changes attributes of the mount at an fd; of the whole tree, when said. */
export function setAttributes(
  plan: PlanBuilder,
  fd: number,
  attributes: MountAttributes,
  options: { tree?: boolean; propagation?: number; label: string },
): void {
  const at = options.tree ? TREE : EMPTY_PATH;
  const attr = mountAttr(plan, attributes, options.propagation);
  plan.call("mount_setattr", [fd, plan.string(""), at, attr, MOUNT_ATTR_SIZE], { label: options.label });
}

/** Attaches a detached mount to an open mount point. */
export function attach(
  plan: PlanBuilder,
  fd: number,
  target: number,
  label: string,
  keeps: { slot?: Slot; tolerate?: Tolerate } = {},
): void {
  const here = plan.string("");
  plan.call("move_mount", [fd, here, target, here, ATTACH], { label, ...keeps });
}

/** The same at a name in an open folder that nobody else can reach yet. */
function attachAt(plan: PlanBuilder, fd: number, folder: number, name: Data, label: string): void {
  plan.call("move_mount", [fd, plan.string(""), folder, name, ATTACH_AT], { label });
}

/** A detached copy of the mount at a path of the host's (or, with an empty path, at an fd). */
export function cloneTree(
  plan: PlanBuilder,
  from: number,
  path: string,
  options: { fd: number; recursive: boolean; label: string },
): void {
  const how =
    path === "" ? (options.recursive ? CLONE_FD_TREE : CLONE_FD) : options.recursive ? CLONE_TREE : CLONE;
  const folder = from === AT.AT_FDCWD ? CWD : from;
  plan.call("open_tree", [folder, plan.string(path), how], { label: options.label, fd: options.fd });
}

export interface FileSystem {
  type: string;
  source?: string;
  data: { key: string; value?: string }[];
  /** MOUNT_ATTR_* */
  attributes: number;
  /** What fsopen(2) answered somebody else. */
  opened?: number;
}

/** A new, detached mount of a file system, at `fd`. */
export function newMount(plan: PlanBuilder, file: FileSystem, fd: number, label: string): void {
  const context = file.opened ?? fd;
  if (file.opened === undefined)
    plan.call("fsopen", [plan.string(file.type), FS_CLOEXEC], { label, fd: context });
  const set = (key: string, value?: string) => {
    if (value === undefined) plan.call("fsconfig", [context, SET_FLAG, plan.string(key), 0, 0], { label });
    else plan.call("fsconfig", [context, SET_STRING, plan.string(key), plan.string(value), 0], { label });
  };
  if (file.source) set("source", file.source);
  for (const { key, value } of file.data) set(key, value);
  plan.call("fsconfig", [context, CREATE, 0, 0, 0], { label });
  const attributes = named(attributeNames(file.attributes), file.attributes);
  plan.call("fsmount", [context, MOUNT_CLOEXEC, attributes], { label, fd });
}

function applyOptions(plan: PlanBuilder, fd: number, options: MountOptions, label: string): void {
  const { mount, tree } = options;
  if (mount.set || mount.clear) setAttributes(plan, fd, mount, { label });
  if (tree.set || tree.clear) setAttributes(plan, fd, tree, { tree: true, label });
}

/** After it is attached: a mount that is shared first would propagate its own attaching. */
function applyPropagation(plan: PlanBuilder, fd: number, options: MountOptions, label: string): void {
  for (const flag of options.propagation) {
    setAttributes(
      plan,
      fd,
      { set: 0, clear: 0 },
      { propagation: flag & ~REC, tree: (flag & REC) !== 0, label },
    );
  }
}

/** What a container may put over files of its /proc: what lxcfs emulates. */
const OVER_PROC = new Set(
  [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
  ].map((name) => `/proc/${name}`),
);

/**
 * What has paths in it that will be masked: a link on the way could lead elsewhere by then, to a volume that another
 * container changes (CVE-2019-16884, CVE-2023-27561).
 */
const MASKED = new Set(["proc", "sysfs"]);
const ORDINARY = "must be mounted on ordinary directory";

/** Whether it is a procfs with sysctls that can be written. */
const hasSysctls = ({ type }: Mount, { mount, tree, data }: MountOptions): boolean =>
  type === "proc" &&
  ((mount.set | tree.set) & MOUNT_ATTR.MOUNT_ATTR_RDONLY) === 0 &&
  !data.some(({ key }) => key === "subset");

/** New, or the kernel's own: without links that somebody else has made. */
const WITHOUT_LINKS = new Set(["tmpfs", "sysfs", "proc", "devpts", "mqueue"]);

const quoted = (text: string) => JSON.stringify(text);

export class Mounter {
  readonly #at: Inside;
  readonly #mount: number;
  readonly #procs: number[];
  readonly #copies: Copies;
  readonly #rootfs: string | undefined;
  #procfs: number | undefined;
  /** File systems that are empty, or the kernel's own. */
  readonly #fresh: string[] = [];
  /** Only such were mounted yet: a link of others could be on the way to what lies below one. */
  #onlyFresh = true;
  /** Mounts that are yet to become read-only. */
  readonly #late: { fd: number; label: string }[] = [];

  /** `rootfs` is where the host has the root. `procs`: one for each mount of type proc, where the process that mounts is not in the pid namespace to be shown. */
  constructor(at: Inside, procs: readonly number[], copies: Copies = new Map(), rootfs?: string) {
    this.#at = at;
    this.#rootfs = rootfs;
    this.#copies = copies;
    this.#mount = at.plan.fd();
    this.#procs = [...procs];
  }

  /** The root of a procfs that was mounted, through which sysctls can be written: nothing lies over it there. */
  get procfs(): number | undefined {
    return this.#procfs;
  }

  /** When nothing more is to be made in them. */
  finish(): void {
    for (const { fd, label } of this.#late)
      setAttributes(this.#at.plan, fd, { set: MOUNT_ATTR.MOUNT_ATTR_RDONLY, clear: 0 }, { label });
  }

  /** Without "ro", which a new mount gets in the end: other mounts and devices may have their places in it. */
  #writable(options: MountOptions, label: string): { fd: number; attributes: number } {
    const { set } = options.mount;
    const { MOUNT_ATTR_RDONLY: readonly } = MOUNT_ATTR;
    if ((set & readonly) === 0) return { fd: this.#mount, attributes: set };
    const fd = this.#at.plan.fd();
    this.#late.push({ fd, label });
    return { fd, attributes: set & ~readonly };
  }

  /** One mount of the specification that is not of cgroups. */
  add(mount: Mount): void {
    const options = parseMountOptions(mount.options ?? []);
    if (!mount.destination)
      throw new EngineError(
        "invalid",
        `the mount of ${quoted(mount.source ?? mount.type ?? "")} has no destination`,
      );
    const destination = cleanPath(mount.destination);
    const target = this.#inside(destination) ?? destination;
    const label = `error mounting ${quoted(mount.source ?? mount.type ?? "")} to rootfs at ${quoted(mount.destination)}`;
    if (target === "/") throw new EngineError("invalid", `${label}: mountpoint is on the top of rootfs`);
    if (options.idmap || mount.uidMappings?.length)
      throw new EngineError("notImplemented", `${label}: id-mapped mounts are not supported yet`);
    const entries = options.copyUp ? this.#copies.get(mount.destination) : undefined;
    if (options.copyUp && (!entries || mount.type !== "tmpfs"))
      throw new EngineError("notImplemented", `${label}: the option tmpcopyup is not supported`);
    const bind = options.bind || mount.type === "bind";
    if (target.startsWith("/proc/") && !OVER_PROC.has(target)) {
      throw new EngineError(
        "invalid",
        `${label}: ${quoted(target)} cannot be mounted because it is inside /proc`,
      );
    }
    if (target === "/proc" && !bind && mount.type !== "proc") {
      throw new EngineError(
        "invalid",
        `${label}: ${quoted(target)} cannot be mounted because it is not of type proc`,
      );
    }
    if (bind) this.#bind(mount.source ?? "", target, options, label);
    else if (mount.type === "tmpfs") this.#tmpfs(mount.source ?? "tmpfs", target, options, label, entries);
    else this.#fileSystem(mount, target, options, label);
    if (bind || entries || !WITHOUT_LINKS.has(mount.type ?? "")) this.#onlyFresh = false;
    else if (mount.type === "tmpfs" || mount.type === "sysfs") this.#fresh.push(`${target}/`);
  }

  /**
   * What a path of the host's is inside the root, if it is there by its name: with what is mounted in it by now, as runc
   * has it, whose mounts are made where the host has the root.
   */
  #inside(path: string): string | undefined {
    const rootfs = this.#rootfs;
    return rootfs !== undefined && path.startsWith(`${rootfs}/`) ? path.slice(rootfs.length) : undefined;
  }

  #bind(source: string, target: string, options: MountOptions, label: string): void {
    const { plan } = this.#at;
    const { recursive } = options;
    const own = this.#inside(source);
    if (own !== undefined) openInside(this.#at, own, { label, fd: this.#at.folder });
    const [from, path] = own === undefined ? [AT.AT_FDCWD, source] : [this.#at.folder, ""];
    cloneTree(plan, from, path, { fd: this.#mount, recursive, label });
    applyOptions(plan, this.#mount, options, label);
    const found = openInside(this.#at, target, { label, tolerate: [ERRNO.ENOENT] });
    plan.unless(found, "not negative", () => this.#makeLikeSource(target, label), "the mount point is there");
    if (target === "/proc") {
      const notProc = `${label}: ${quoted(target)} cannot be mounted because it is not of type proc`;
      unlessProc(plan, this.#mount, notProc, () =>
        plan.add({ op: "fail", errno: ERRNO.EPERM, label: notProc }),
      );
    } else this.#keepOffProc(target, label);
    this.#attachBind(label);
    applyPropagation(plan, this.#mount, options, label);
  }

  /**
   * What lies over a file of a procfs hides what is masked there, or takes the kernel's place before whoever starts the
   * next process. A link of the image's may lead there from anywhere (CVE-2019-16884, CVE-2019-19921).
   */
  #keepOffProc(target: string, label: string): void {
    if (OVER_PROC.has(target)) return;
    if (this.#onlyFresh && this.#fresh.some((above) => target.startsWith(above))) return;
    const inside = `${label}: ${quoted(target)} cannot be mounted because it is inside /proc`;
    refuseProc(this.#at.plan, this.#at.target, inside);
  }

  /** The kernel says EINVAL to a folder over a file; mount(2) said ENOTDIR, which Docker explains to its users. */
  #attachBind(label: string): void {
    const { plan, result } = this.#at;
    attach(plan, this.#mount, this.#at.target, label, { slot: result, tolerate: [ERRNO.EINVAL] });
    plan.unless(result, "not negative", () => plan.add({ op: "fail", errno: ERRNO.ENOTDIR, label }));
  }

  /** A file for a file, a folder for a folder: only a folder has a ".". */
  #makeLikeSource(target: string, label: string): void {
    const { plan, result: isFolder } = this.#at;
    const asFile = plan.label("the source is a file");
    const made = plan.label("the mount point is made");
    plan.call("faccessat", [this.#mount, plan.string("."), 0], { label, slot: isFolder, tolerate: "all" });
    plan.jumpWhen(isFolder, "negative", asFile);
    openOrMakeFolder(this.#at, target, label);
    plan.jump(made);
    plan.place(asFile);
    makeMountFile(this.#at, target, label);
    plan.place(made);
  }

  /** Without a mode of its own it gets that of the folder it hides, if one was there, as it has for runc. */
  #tmpfs(
    source: string,
    target: string,
    options: MountOptions,
    label: string,
    entries: readonly Entry[] = [],
  ): void {
    const { plan } = this.#at;
    openOrMakeFolder(this.#at, target, label);
    this.#keepOffProc(target, label);
    const { fd: mount, attributes } = this.#writable(options, label);
    newMount(plan, { type: "tmpfs", source, data: options.data, attributes }, mount, label);
    if (!options.data.some(({ key }) => key === "mode"))
      plan.unless(this.#at.found, "negative", () => copyMode(this.#at, mount, label), "the folder is new");
    if (entries.length > 0) {
      const files = [plan.fd(), plan.fd()] as const;
      copyUp(plan, entries, { from: this.#at.target, to: mount, files, label });
      for (const fd of files) plan.call("close", [fd], { label, tolerate: "all" });
    }
    this.#attach(options, label, mount);
  }

  #fileSystem(mount: Mount, target: string, options: MountOptions, label: string): void {
    const { plan } = this.#at;
    if (MASKED.has(mount.type ?? ""))
      openOrMakeOrdinaryFolder(
        this.#at,
        target,
        `${label}: filesystem ${quoted(mount.type ?? "")} ${ORDINARY}`,
      );
    else {
      openOrMakeFolder(this.#at, target, label);
      this.#keepOffProc(target, label);
    }
    const opened = mount.type === "proc" ? this.#procs.shift() : undefined;
    const file: FileSystem = {
      type: mount.type ?? "",
      data: options.data,
      attributes: options.mount.set,
      ...(mount.source && { source: mount.source }),
      ...(opened !== undefined && { opened }),
    };
    let fd = this.#mount;
    if (this.#procfs === undefined && hasSysctls(mount, options)) fd = this.#procfs = plan.fd();
    newMount(plan, file, fd, label);
    this.#attach(options, label, fd);
  }

  #attach(options: MountOptions, label: string, fd = this.#mount): void {
    const { plan } = this.#at;
    if (options.tree.set || options.tree.clear) setAttributes(plan, fd, options.tree, { tree: true, label });
    attach(plan, fd, this.#at.target, label);
    applyPropagation(plan, fd, options, label);
  }

  /** A file system with these options at a folder: what cgroup mounts are made of. */
  at(target: string, file: FileSystem, label: string): void {
    openOrMakeFolder(this.#at, target, label);
    this.#keepOffProc(target, label);
    newMount(this.#at.plan, file, this.#mount, label);
    attach(this.#at.plan, this.#mount, this.#at.target, label);
  }

  /** The same in a new folder of the folder that `at.folder` has open, which nobody else can reach yet. */
  below(name: string, file: FileSystem, label: string): void {
    newMount(this.#at.plan, file, this.#mount, label);
    this.#attachBelow(name, label);
  }

  /** A bind mount of a folder of the host's, in such a new folder. */
  bindBelow(name: string, source: string, label: string): void {
    cloneTree(this.#at.plan, AT.AT_FDCWD, source, { fd: this.#mount, recursive: true, label });
    this.#attachBelow(name, label);
  }

  #attachBelow(name: string, label: string): void {
    const { plan, folder } = this.#at;
    const text = plan.string(name);
    plan.call("mkdirat", [folder, text, 0o755], { label });
    attachAt(plan, this.#mount, folder, text, label);
  }

  /** A bind mount of a folder of the host's with these attributes. */
  bindAt(source: string, target: string, attributes: number, label: string): void {
    this.#bind(
      source,
      target,
      { ...parseMountOptions(["rbind"]), mount: { set: attributes, clear: 0 } },
      label,
    );
  }
}

const STATX_MODE = 2;
const STATX_SIZE = 256;
const STATX_MODE_AT = 28;

/** statx keeps the mode in 16 bits with 16 zero bits after them, so it reads as one integer; chmod drops the type. */
function copyMode({ plan, target, result: mode }: Inside, to: number, label: string): void {
  const stat = plan.space(STATX_SIZE, "statx");
  plan.call("statx", [target, plan.string(""), EMPTY_PATH, named("STATX_MODE", STATX_MODE), stat], { label });
  plan.get(plan.part(stat, STATX_MODE_AT, 4), "i32", { slot: mode }, label);
  plan.call("fchmodat", [to, plan.string("."), mode], { label });
}
