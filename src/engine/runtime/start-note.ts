/** Notes that a container's first process runs, in files: whoever looks for the container finds it from then on. */
import { AT, O } from "../../ffi/file.ts";
import { openHost, openProcess } from "./inside.ts";
import { flags, type PlanBuilder } from "./plan.ts";
import type { Slot } from "./steps.ts";

export interface StartNote {
  /** Gets what /proc/PID/stat says: it tells the process from a later one with the same number. */
  stat: string;
  /** A file that is complete but for the process, and the name that makes it count. */
  from: string;
  to: string;
}

const STAT_SIZE = 1024;

export function noteStart(plan: PlanBuilder, note: StartNote, pid: Slot): void {
  const label = "note the process";
  const fd = plan.fd();
  const stat = plan.space(STAT_SIZE, "stat");
  const size = plan.slot("size of the stat");
  openProcess(plan, pid, { label, scratch: fd, fd });
  plan.call("openat", [fd, plan.string("stat"), flags(O, "O_RDONLY", "O_CLOEXEC"), 0], { label, fd });
  plan.call("read", [fd, stat, STAT_SIZE], { label, slot: size });
  openHost(plan, note.stat, ["O_WRONLY", "O_CREAT", "O_TRUNC", "O_CLOEXEC"], { label, fd, mode: 0o600 });
  plan.call("write", [fd, stat, size], { label });
  plan.call("close", [fd], { label });
  plan.call("renameat2", [AT.AT_FDCWD, plan.string(note.from), AT.AT_FDCWD, plan.string(note.to), 0], {
    label,
  });
}
