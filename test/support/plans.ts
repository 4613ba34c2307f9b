/**
 * Plans for tests of the stage: a busybox root file system, and the steps that enter it.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT_RECORD_SIZE } from "../../src/engine/runtime/exit-record.ts";
import { flags, named, type Plan, PlanBuilder } from "../../src/engine/runtime/plan.ts";
import type { Data, KeepStep } from "../../src/engine/runtime/steps.ts";
import { AT, O, RESOLVE } from "../../src/ffi/file.ts";
import { FSCONFIG, FSOPEN, MNT, MOVE_MOUNT, MS, OPEN_TREE } from "../../src/ffi/mount.ts";
import { CLONE } from "../../src/ffi/process.ts";
import { unixAddress } from "../../src/ffi/socket.ts";
import { SOCK } from "../../src/ffi/socket-flags.ts";

export interface Scratch extends Disposable {
  path: string;
  /** A root file system with busybox in /bin. */
  rootfs: string;
}

export function scratch(): Scratch {
  const path = mkdtempSync(join(tmpdir(), "plan-"));
  const rootfs = join(path, "rootfs");
  for (const folder of ["bin", "proc", "dev", "sys", "tmp"])
    mkdirSync(join(rootfs, folder), { recursive: true });
  copyFileSync("/bin/busybox", join(rootfs, "bin/busybox"));
  chmodSync(join(rootfs, "bin/busybox"), 0o755);
  for (const name of ["sh", "true", "cat", "ps", "grep", "sleep"])
    symlinkSync("busybox", join(rootfs, "bin", name));
  return { path, rootfs, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** Bind-mounts `rootfs` on itself in this mount namespace. Returns the fd of its root. */
export function mountRoot(b: PlanBuilder, rootfs: string): number {
  b.call("mount", [0, b.string("/"), 0, flags(MS, "MS_REC", "MS_PRIVATE"), 0], { label: 'make "/" private' });
  const tree = b.fd();
  const root = b.fd();
  const copy = flags({ ...OPEN_TREE, ...AT }, "OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_RECURSIVE");
  b.call("open_tree", [AT.AT_FDCWD, b.string(rootfs), copy], { fd: tree, label: "copy the root's mount" });
  moveMount(b, tree, AT.AT_FDCWD, b.string(rootfs), "mount the root");
  b.call("openat", [AT.AT_FDCWD, b.string(rootfs), flags(O, "O_PATH", "O_DIRECTORY")], { fd: root });
  return root;
}

/** A new file system at `target` below the root, by file descriptors alone. */
export function mountIn(b: PlanBuilder, root: number, type: string, target: string): void {
  const label = `mount ${JSON.stringify(type)} to ${JSON.stringify(`/${target}`)}`;
  const [context, mount, place] = [b.fd(), b.fd(), b.fd()];
  const how = b.struct(24, "{O_PATH, RESOLVE_IN_ROOT}", [
    [0, "u64", O.O_PATH],
    [16, "u64", RESOLVE.RESOLVE_IN_ROOT],
  ]);
  b.call("fsopen", [b.string(type), flags(FSOPEN, "FSOPEN_CLOEXEC")], { fd: context, label });
  b.call("fsconfig", [context, named("FSCONFIG_CMD_CREATE", FSCONFIG.FSCONFIG_CMD_CREATE), 0, 0, 0], {
    label,
  });
  b.call("fsmount", [context, flags(FSOPEN, "FSMOUNT_CLOEXEC"), 0], { fd: mount, label });
  b.call("openat2", [root, b.string(target), how, 24], { fd: place, label });
  moveMount(b, mount, place, b.string(""), label);
}

function moveMount(b: PlanBuilder, from: number, folder: number, path: Data, label: string): void {
  const how = flags(MOVE_MOUNT, "MOVE_MOUNT_F_EMPTY_PATH", "MOVE_MOUNT_T_EMPTY_PATH");
  b.call("move_mount", [from, b.string(""), folder, path, how], { label });
}

export function pivotRoot(b: PlanBuilder, root: number): void {
  b.call("fchdir", [root]);
  b.call("pivot_root", [b.string("."), b.string(".")]);
  b.call("umount2", [b.string("."), flags(MNT, "MNT_DETACH")]);
  b.call("chdir", [b.string("/")]);
}

export function executeShell(b: PlanBuilder, script: string): void {
  b.call("execve", [b.string("/bin/sh"), b.strings(["sh", "-c", script]), b.strings(["PATH=/bin"])], {
    label: "exec sh",
  });
}

/** A listening socket and a preallocated exit record in `folder`: what KEEP needs. */
export function keeperFiles(b: PlanBuilder, folder: string): { listen: number; record: number } {
  const [listen, record] = [b.fd(), b.fd()];
  const address = unixAddress(join(folder, "s"));
  b.call("socket", [SOCK.AF_UNIX, flags(SOCK, "SOCK_STREAM", "SOCK_CLOEXEC"), 0], { fd: listen });
  b.call("bind", [listen, b.bytes(address), address.length], { label: "bind the keeper's socket" });
  b.call("listen", [listen, 4]);
  b.call(
    "openat",
    [AT.AT_FDCWD, b.string(join(folder, "x")), flags(O, "O_RDWR", "O_CREAT", "O_EXCL"), 0o600],
    { fd: record },
  );
  b.call("fallocate", [record, 0, 0, EXIT_RECORD_SIZE]);
  return { listen, record };
}

/** A pipe with both ends at fixed numbers. */
export function pipeSteps(b: PlanBuilder): { read: number; write: number } {
  const [read, write] = [b.fd(), b.fd()];
  const pair = b.space(8, "pipe");
  b.call("pipe2", [pair, flags(O, "O_CLOEXEC")]);
  b.get(b.part(pair, 0, 4), "i32", { fd: read });
  b.get(b.part(pair, 4, 4), "i32", { fd: write });
  return { read, write };
}

/** Adds steps before the clone, and what KEEP is to have because of them. */
export type Before = (b: PlanBuilder) => Partial<KeepStep>;

/** A shell script under a keeper that holds its stdin and stdout. */
export function keptPlan(folder: string, script: string, before?: Before): Plan {
  const b = new PlanBuilder();
  b.call("setsid", []);
  const { listen, record } = keeperFiles(b, folder);
  b.call("prctl", [36, 1], { label: "become a subreaper" });
  const stdin = pipeSteps(b);
  const stdout = pipeSteps(b);
  const pidfd = b.fd();
  const pid = b.slot("pid");
  const child = b.label("command");
  const more = before?.(b) ?? {};
  const how = flags(CLONE, "CLONE_VFORK", "CLONE_PIDFD");
  b.add({ op: "clone", flags: how, child, process: 1, slot: pid, fd: pidfd, label: "clone" });
  const held = [
    { name: "stdin", fd: stdin.write },
    { name: "stdout", fd: stdout.read },
    { name: "pidfd", fd: pidfd },
  ] as const;
  b.add({ op: "keep", pid, held, listen, record, bootId: bootId(), label: "keep", ...more });
  b.place(child);
  b.call("dup3", [stdin.read, 0, 0]);
  b.call("dup3", [stdout.write, 1, 0]);
  b.call(
    "execve",
    [b.string("/bin/busybox"), b.strings(["sh", "-c", script]), b.strings(["PATH=/bin:/usr/bin"])],
    {
      label: "exec sh",
    },
  );
  return b.build();
}

/** Waits for a condition, without luck: 5 seconds at most. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await Bun.sleep(5);
  }
}
