/** The stage's side of tsrunc: the streams that it inherits, what it tells, and terminals. */
import { decodeFrame, encodeFrame, FRAME, FRAME_SIZE } from "../../engine/runtime/frame.ts";
import type { ProcessIo } from "../../engine/runtime/io.ts";
import { SYNC } from "../../engine/runtime/keeper-steps.ts";
import { STAGE_FD } from "../../engine/runtime/plan.ts";
import type { Process } from "../../engine/runtime/spec.ts";
import type { Stage } from "../../engine/runtime/stage.ts";
import { F, S } from "../../ffi/file.ts";
import { isCharacterDevice, statusOf } from "../../ffi/host.ts";
import { closeFd, sys } from "../../ffi/libc.ts";
import { WAIT } from "../../ffi/process.ts";
import { socketPair } from "../../ffi/socket.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import type { Flags } from "./flags.ts";

const NULL_DEVICE = { major: 1, minor: 3 };

/** Streams that become the user's, and those that are the host's /dev/null, which never may. */
export function inheritedStreams(process: Process): { own: number[]; null: number[] } {
  const inherited = { own: [] as number[], null: [] as number[] };
  const uid = process.user?.uid ?? 0;
  for (const fd of [0, 1, 2]) {
    try {
      const status = statusOf(fd);
      const { major, minor } = status.device;
      if (isCharacterDevice(status) && major === NULL_DEVICE.major && minor === NULL_DEVICE.minor)
        inherited.null.push(fd);
      else if (status.uid !== uid) inherited.own.push(fd);
    } catch {
      // Closed: the stage gets none either.
    }
  }
  return inherited;
}

export interface IoChoice {
  io: ProcessIo;
  /** Passed to the stage, as 6 and on. */
  fds: number[];
  preserve?: { count: number; first: number };
  /** Our end of the socket that brings a terminal's master. */
  masterSocket?: number;
}

/** runc's rules for terminals: a detached process needs a console socket, an attached one must not have any. */
export async function chooseIo(process: Process, flags: Flags, detach: boolean): Promise<IoChoice> {
  const socketPath = flags.value("console-socket");
  if (detach && process.terminal && !socketPath) {
    throw new Error("cannot allocate tty if runc will detach without setting console socket");
  }
  if ((!detach || !process.terminal) && socketPath) {
    throw new Error("cannot use console socket if runc will not detach or allocate tty");
  }
  const count = flags.number("preserve-fds");
  const preserved: number[] = [];
  for (let i = 0; i < count; i++) preserved.push(inheritedFd(3 + i, count));
  const size = process.consoleSize && { cols: process.consoleSize.width, rows: process.consoleSize.height };
  if (!process.terminal) return { io: { kind: "inherit" }, fds: preserved, ...preserve(count, 0) };
  if (socketPath)
    return { io: { kind: "pty", ...size, master: { socketPath } }, fds: preserved, ...preserve(count, 0) };
  const { windowSize } = await import("../../ffi/poll.ts");
  const [ours, theirs] = socketPair();
  // Ours, unless another was asked for: the command may look before the relay has begun.
  const io: ProcessIo = { kind: "pty", ...(size ?? windowSize(0)), master: { fd: STAGE_FD.firstPassed } };
  return { io, fds: [theirs, ...preserved], masterSocket: ours, ...preserve(count, 1) };
}

/**
 * The number is as likely one of Bun's own (an epoll instance, an eventfd: files without a type) as one that the caller
 * left open, when fewer were left open than it says. The close-on-exec flag tells nothing: Bun sets it on all.
 */
function inheritedFd(fd: number, count: number): number {
  const ours = () => (statusOf(fd).mode & S.S_IFMT) === 0;
  if (sys("fcntl", fd, F.F_GETFD) < 0 || ours()) {
    throw new Error(
      `unable to stat preserved-fd ${fd - 3} (of ${count}): stat /proc/self/fd/${fd}: no such file or directory`,
    );
  }
  return fd;
}

const preserve = (count: number, before: number) =>
  count > 0 ? { preserve: { count, first: STAGE_FD.firstPassed + before } } : {};

/**
 * Hears the stage until it has told the pid of a process that runs, and answers it when it asks for hooks before. Waits
 * by blocking: there is nothing else to do in these two milliseconds, and no event loop starts faster. 0 when the stage
 * failed.
 */
export async function hearPid(stage: Stage, hooks?: (pid: number) => Promise<void>): Promise<number> {
  const bytes = new Uint8Array(FRAME_SIZE);
  let pid = 0;
  // Two processes tell us: the container's may ask before the first one has said who it is.
  let asking: number | undefined;
  let ready = hooks === undefined;
  while (sys("recvfrom", stage.control, bytes, FRAME_SIZE, SOCK.MSG_WAITALL, 0, 0) === FRAME_SIZE) {
    const frame = decodeFrame(bytes);
    if (frame.type !== FRAME.SYNC) continue;
    if (frame.a === SYNC.hooks) asking = Number(frame.value);
    if (frame.a === SYNC.pid) {
      pid = Number(frame.value);
      if (ready) return pid;
    }
    const who = asking === 0 ? pid : (asking ?? 0);
    if (ready || who === 0) continue;
    await hooks?.(who);
    const answer = encodeFrame({ type: FRAME.ANSWER, a: SYNC.hooks, generation: 0, value: 0n });
    sys("write", stage.control, answer, answer.length);
    ready = true;
  }
  return 0;
}

/** The end of a stage that was to leave its process to us. */
export async function stageLeft(stage: Stage): Promise<number> {
  try {
    return await stage.done;
  } catch (error) {
    reapFailed();
    throw error;
  }
}

/**
 * A process that has failed on its way is about to end as our child: left behind, it would be a zombie of its pid
 * namespace's first process, which may never ask for it.
 */
export function reapFailed(): void {
  for (let n = 0; n < 100; n++) {
    const pid = sys("wait4", -1, 0, WAIT.WNOHANG, 0);
    if (pid < 0) return;
    if (pid === 0) Bun.sleepSync(1);
  }
}

export const closeAll = (fds: readonly (number | undefined)[]): void => {
  for (const fd of fds) if (fd !== undefined && fd >= 0) closeFd(fd);
};
