/**
 * Writing files of the host's /proc, which decide about security: only what lies on a procfs is written to. Where
 * something was mounted over it, or a link led elsewhere, the write would be lost, or hit another file.
 * @source CVE-2019-16884, CVE-2025-52881; statfs(2)
 */
import { ERRNO } from "../../ffi/errno.ts";
import { AT, OPEN_HOW_SIZE, RESOLVE } from "../../ffi/file.ts";
import { openHow, writeText } from "./inside.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";

const PROC_SUPER_MAGIC = named("PROC_SUPER_MAGIC", 0x9fa0);
/** struct statfs; its type comes first. */
const STATFS_SIZE = 120;

/** Fails (EXDEV) when the open file is not one of a procfs. */
export function refuseForeign(plan: PlanBuilder, fd: number, label: string): void {
  unlessProc(plan, fd, label, () =>
    plan.add({ op: "fail", errno: ERRNO.EXDEV, label: `${label}: not on a procfs` }),
  );
}

/** Fails (EPERM) when the open file, which may have been opened by O_PATH, is one of a procfs. */
export function refuseProc(plan: PlanBuilder, fd: number, label: string): void {
  const other = plan.label("it is not on a procfs");
  unlessProc(plan, fd, label, () => plan.jump(other));
  plan.add({ op: "fail", errno: ERRNO.EPERM, label });
  plan.place(other);
}

/** What is done when it is not on a procfs. */
export function unlessProc(plan: PlanBuilder, fd: number, label: string, otherwise: () => void): void {
  const buffer = plan.space(STATFS_SIZE, "statfs");
  const type = plan.slot("type of the file system");
  const own = plan.label("it is a procfs");
  plan.call("fstatfs", [fd, buffer], { label });
  plan.get(plan.part(buffer, 0, 8), "u64", { slot: type }, label);
  plan.jumpWhen(type, { equals: PROC_SUPER_MAGIC.value as number }, own);
  otherwise();
  plan.place(own);
}

/**
 * A sysctl, by its path below /proc/sys. No link is on the way to one. `procfs`: the root of one that this plan has
 * mounted. In the host's, the kernel keeps a name for every network namespace that asked for it, all in one chain.
 * @source fs/proc/proc_sysctl.c, proc_sys_compare
 */
export function writeSysctl(
  plan: PlanBuilder,
  fd: number,
  { path, value, procfs }: { path: string; value: string; procfs: number | undefined },
): void {
  const label = `open /proc/sys/${path}`;
  const below = procfs === undefined ? [] : (["RESOLVE_BENEATH", "RESOLVE_NO_XDEV"] as const);
  const how = openHow(plan, ["O_WRONLY", "O_CLOEXEC"], 0, flags(RESOLVE, "RESOLVE_NO_SYMLINKS", ...below));
  const [folder, from] =
    procfs === undefined ? [flags(AT, "AT_FDCWD"), `/proc/sys/${path}`] : [procfs, `sys/${path}`];
  plan.call("openat2", [folder, plan.string(from), how, OPEN_HOW_SIZE], { label, fd });
  if (procfs === undefined) refuseForeign(plan, fd, label);
  writeText(plan, fd, value, label);
}
