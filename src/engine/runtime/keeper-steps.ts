/**
 * What makes the stage a keeper: a socket, the exit record, and the role of a subreaper.
 */
import { ERRNO } from "../../ffi/errno.ts";
import { O } from "../../ffi/file.ts";
import { PR } from "../../ffi/process.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import { openHost, openProcess } from "./inside.ts";
import { unixAddress } from "./io.ts";
import { flags, type PlanBuilder } from "./plan.ts";
import type { Slot } from "./steps.ts";

/** What a keeper needs (design.md, section 5). */
export interface KeeperOptions {
  /** Where its socket will be: at most 107 bytes, in a folder that is root's alone. */
  socket: string;
  /** The exit record, on a tmpfs. */
  record: string;
  /** /proc/sys/kernel/random/boot_id */
  bootId: string;
  /**
   * Hold the container's mount namespace: else its first process ends no sooner than all its mounts are gone, which may
   * have to wait for the disk, and so is told of late. For one that has only mounts of ours: who hears of the end may
   * unmount what he had lent.
   */
  holdMounts?: boolean;
}

/** Values of SYNC, for whoever started the stage with a control socket. */
export const SYNC = {
  /** The container's pid, in the host's namespace. */
  pid: 1,
  /**
   * Everything but the command is there: hooks may run; answer to go on. Its value: the pid of who asks, when the
   * container has none yet, since it joins a pid namespace; else 0.
   */
  hooks: 2,
  /** Everything but the execution of the command is done; answer to go on. It is not said, only waited for. */
  start: 3,
} as const;

export interface Kept {
  listen: number;
  record: number;
}

/** When the container's process has been executed: opens what {@link KeeperOptions.holdMounts} is to hold, if it still can. */
export function openMounts(plan: PlanBuilder, pid: Slot, scratch: number): number {
  const [folder, mounts] = [plan.fd(), plan.fd()];
  const label = "hold the container's mounts";
  openProcess(plan, pid, { label, scratch, fd: folder, tolerate: "all" });
  const read = flags(O, "O_RDONLY", "O_CLOEXEC");
  plan.call("openat", [folder, plan.string("ns/mnt"), read, 0], { label, fd: mounts, tolerate: "all" });
  return mounts;
}

/** The socket, listening, and the exit record, with its room taken: a full tmpfs must not lose an exit. */
export function openKeeper(plan: PlanBuilder, keeper: KeeperOptions): Kept {
  const [listen, record] = [plan.fd(), plan.fd()];
  plan.call("setsid", [], { label: "setsid", tolerate: [ERRNO.EPERM] });
  plan.call("prctl", [flags(PR, "PR_SET_CHILD_SUBREAPER"), 1, 0, 0, 0], { label: "become a subreaper" });
  const label = `make the keeper's socket ${keeper.socket}`;
  const address = unixAddress(plan, keeper.socket);
  plan.call(
    "socket",
    [flags(SOCK, "AF_UNIX"), flags(SOCK, "SOCK_STREAM", "SOCK_CLOEXEC", "SOCK_NONBLOCK"), 0],
    { label, fd: listen },
  );
  plan.call("bind", [listen, address, address.size], { label });
  plan.call("listen", [listen, 4], { label });
  const noteLabel = `make the exit record ${keeper.record}`;
  openHost(plan, keeper.record, ["O_RDWR", "O_CREAT", "O_TRUNC", "O_CLOEXEC"], {
    label: noteLabel,
    fd: record,
    mode: 0o600,
  });
  plan.call("fallocate", [record, 0, 0, 4096], { label: noteLabel });
  return { listen, record };
}
