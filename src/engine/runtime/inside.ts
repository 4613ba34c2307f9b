/**
 * Paths inside the container's root, as plan steps: resolved by the kernel below one descriptor, so that a symbolic
 * link in an image can point only into the image (openat2(2), RESOLVE_IN_ROOT).
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT, O, OPEN_HOW_SIZE, RESOLVE } from "../../ffi/file.ts";
import { flags, type PlanBuilder } from "./plan.ts";
import type { Data, Slot, Tolerate } from "./steps.ts";

/** What steps inside a root share: the builder, the root's descriptor, and two that are used over and over. */
export interface Inside {
  readonly plan: PlanBuilder;
  /** The root of the container's file system. */
  readonly root: number;
  /** The mount point or file being worked on. */
  readonly target: number;
  /** Its folder, while something is made there. */
  readonly folder: number;
  /** Whether what was looked for is there; reused, since a plan has few slots and may have many mounts. */
  readonly found: Slot;
  /** Another short-lived result. */
  readonly result: Slot;
  /** How to look for anything, and for folders. */
  readonly anything: Data;
  readonly folders: Data;
}

export function inside(plan: PlanBuilder, root: number): Inside {
  return {
    plan,
    root,
    target: plan.fd(),
    folder: plan.fd(),
    found: plan.slot("found"),
    result: plan.slot("result"),
    anything: openHow(plan, ["O_PATH", "O_CLOEXEC"]),
    folders: openHow(plan, ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"]),
  };
}

/** `/a/./b/../c` → `/a/c`; what would climb above the root stays at the root. */
export function cleanPath(path: string): string {
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") out.pop();
    else if (part !== "" && part !== ".") out.push(part);
  }
  return `/${out.join("/")}`;
}

const RESOLVED = flags(RESOLVE, "RESOLVE_IN_ROOT", "RESOLVE_NO_MAGICLINKS");
const WITHOUT_LINKS = flags(RESOLVE, "RESOLVE_IN_ROOT", "RESOLVE_NO_MAGICLINKS", "RESOLVE_NO_SYMLINKS");

export function openHow(
  plan: PlanBuilder,
  open: readonly (keyof typeof O & string)[],
  mode = 0,
  resolve = RESOLVED,
): Data {
  const how = flags(O, ...open);
  return plan.struct(OPEN_HOW_SIZE, `{${how.show}, ${resolve.show}}`, [
    [0, "u64", how],
    [8, "u64", mode],
    [16, "u64", resolve],
  ]);
}

interface OpenOptions {
  readonly label: string;
  readonly tolerate?: Tolerate;
  readonly flags?: readonly (keyof typeof O & string)[];
  readonly fd?: number;
}

/** Opens an existing path below the root; the slot is negative when it failed in a tolerated way. */
export function openInside(at: Inside, path: string, options: OpenOptions): Slot {
  const { plan, found: slot } = at;
  const how = options.flags ? openHow(plan, options.flags) : at.anything;
  const tolerate = options.tolerate;
  plan.call("openat2", [at.root, plan.string(path), how, OPEN_HOW_SIZE], {
    label: options.label,
    slot,
    fd: options.fd ?? at.target,
    ...(tolerate && { tolerate }),
  });
  return slot;
}

/** Opens every folder of a path, making what is missing; the last one ends up in `at.folder`, or as `last`. */
export function makeFolders(at: Inside, path: string, label: string, last = at.folder): void {
  const { plan, root } = at;
  const how = at.folders;
  const names = cleanPath(path).split("/").slice(1);
  let parent = root;
  let prefix = "";
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    if (name !== "")
      plan.call("mkdirat", [parent, plan.string(name), 0o755], { label, tolerate: [ERRNO.EEXIST] });
    prefix += `/${name}`;
    parent = i === names.length - 1 ? last : at.folder;
    plan.call("openat2", [root, plan.string(prefix), how, OPEN_HOW_SIZE], { label, fd: parent });
  }
}

export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

/** Opens a folder into `at.target`, making it when there is none. */
export function openOrMakeFolder(at: Inside, path: string, label: string): void {
  const { plan } = at;
  const found = openInside(at, path, { label, tolerate: [ERRNO.ENOENT] });
  plan.unless(found, "not negative", () => makeFolders(at, path, label, at.target));
}

/** The same for a folder that no symbolic link may be on the way to. */
export function openOrMakeOrdinaryFolder(at: Inside, path: string, label: string): void {
  const { plan, root, target: fd, found: slot } = at;
  const how = openHow(plan, ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], 0, WITHOUT_LINKS);
  const name = plan.string(path);
  plan.call("openat2", [root, name, how, OPEN_HOW_SIZE], { label, slot, fd, tolerate: [ERRNO.ENOENT] });
  plan.unless(slot, "not negative", () => {
    makeFolders(at, path, label);
    plan.call("openat2", [root, name, how, OPEN_HOW_SIZE], { label, fd });
  });
}

/** Opens a file into `at.target`, making an empty one when there is none. */
export function openOrMakeFile(at: Inside, path: string, label: string): void {
  const { plan } = at;
  const found = openInside(at, path, { label, tolerate: [ERRNO.ENOENT] });
  plan.unless(found, "not negative", () => {
    makeFile(at, path, label);
    openInside(at, path, { label });
  });
}

/** An empty file, in folders that are made where missing. */
export function makeFile(
  at: Inside,
  path: string,
  label: string,
  keeps: { slot?: Slot; tolerate?: Tolerate } = {},
): void {
  const { plan } = at;
  makeFolders(at, parentOf(path), label);
  const create = flags(O, "O_WRONLY", "O_CREAT", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC");
  plan.call("openat", [at.folder, plan.string(baseName(path)), create, 0o644], {
    label,
    fd: at.folder,
    ...keeps,
  });
}

/**
 * Opens an empty file that is made, into `at.target`. A symbolic link that leads nowhere (resolv.conf of a system
 * without its resolver) is itself what will be mounted on: what it names need not be made.
 */
export function makeMountFile(at: Inside, path: string, label: string): void {
  const { plan, result: made } = at;
  const isLink = plan.label("a link that leads nowhere");
  const opened = plan.label("the mount point is open");
  makeFile(at, path, label, { slot: made, tolerate: [ERRNO.ELOOP] });
  plan.jumpWhen(made, "negative", isLink);
  openInside(at, path, { label });
  plan.jump(opened);
  plan.place(isLink);
  openInside(at, path, { label, flags: ["O_PATH", "O_NOFOLLOW", "O_CLOEXEC"] });
  plan.place(opened);
}

const CWD = flags(AT, "AT_FDCWD");

/** Opens a path of the host's. */
export function openHost(
  plan: PlanBuilder,
  path: string,
  open: readonly (keyof typeof O & string)[],
  options: { label: string; fd?: number; slot?: Slot; tolerate?: Tolerate; mode?: number },
): void {
  plan.call("openat", [CWD, plan.string(path), flags(O, ...open), options.mode ?? 0], options);
}

/** Opens the /proc/PID of a process, as the host sees it; /proc itself is open at `scratch` then, which may be `fd`. */
export function openProcess(
  plan: PlanBuilder,
  pid: Slot,
  { scratch, fd, ...options }: { scratch: number; fd: number; label: string; tolerate?: Tolerate },
): void {
  const name = plan.space(24, pid.name);
  plan.put(pid, name, "decimal", options.label);
  openHost(plan, "/proc", ["O_PATH", "O_DIRECTORY", "O_CLOEXEC"], { ...options, fd: scratch });
  const how = flags(O, "O_PATH", "O_DIRECTORY", "O_CLOEXEC");
  plan.call("openat", [scratch, name, how, 0], { ...options, fd });
}

/** Writes a text into a file of the host's: sysctls, cgroup limits, /proc/self attributes. */
export function writeHost(
  plan: PlanBuilder,
  fd: number,
  path: string,
  text: string,
  label: string,
  tolerate?: Tolerate,
): void {
  const opened = tolerate && plan.slot(`open ${baseName(path)}`);
  openHost(plan, path, ["O_WRONLY", "O_CLOEXEC"], { label, fd, ...(opened && { slot: opened, tolerate }) });
  const write = () => writeText(plan, fd, text, label, tolerate);
  if (opened) plan.unless(opened, "negative", write);
  else write();
}

export function writeText(
  plan: PlanBuilder,
  fd: number,
  text: string,
  label: string,
  tolerate?: Tolerate,
): void {
  const data = plan.string(text);
  plan.call("write", [fd, data, data.size - 1], { label, ...(tolerate && { tolerate }) });
}
