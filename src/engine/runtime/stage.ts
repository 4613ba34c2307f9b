/**
 * Runs plans: the stage, from a sealed memfd, as a child of this process.
 */
import { ERRNO, errnoMessage } from "../../ffi/errno.ts";
import { aboveInherited, check, closeFd, sys } from "../../ffi/libc.ts";
import { sealedData, sharedMemory } from "../../ffi/memfd.ts";
import { SIG, WAIT } from "../../ffi/process.ts";
import { socketPair } from "../../ffi/socket.ts";
import { SOCK } from "../../ffi/socket-flags.ts";
import { stageFd } from "../../ffi/stage/binary.ts";
import { encodePlan, NESTED_PROCESS } from "./encode.ts";
import { encodeFrame, FRAME } from "./frame.ts";
import { PLAN_BASE, type Plan } from "./plan.ts";
import { type FailedRecord, readStatus, STATUS_SIZE } from "./status.ts";

/** A step that failed: which, in which process of the plan, and why. */
export class StepFailure extends Error {
  override readonly name = "StepFailure";
  readonly index: number;
  readonly label: string;
  /** Positive. */
  readonly errno: number;
  /** Steps of a nested plan (`--init`) count from 0 again; `process` is then 8 or more. */
  readonly process: number;

  constructor(failed: { index: number; label: string; errno: number; process: number; message: string }) {
    super(failed.message);
    this.index = failed.index;
    this.label = failed.label;
    this.errno = failed.errno;
    this.process = failed.process;
  }
}

export interface StageOptions {
  /** stdin, stdout, stderr: default "ignore" (/dev/null). A number is an fd of ours, which stays open here. */
  stdio?: ("inherit" | "ignore" | number)[];
  /** Fds of ours that the stage gets as 6, 7, 8, … (`STAGE_FD.firstPassed`). */
  fds?: readonly number[];
  /** Make a control socket (the stage's fd 5), for SYNC, AWAIT and KEEP. */
  control?: boolean;
  /** What `ps` shows of the stage itself. */
  name?: string;
  /** Where there may be one already; for a stage with a control socket and no stdio. */
  spare?: Spare;
}

/** Of stages that wait for their plans (spare-stage.ts). */
export interface Spare {
  /** One that has got its plan, and these fds; undefined when there is none. */
  take(name: string, plan: PlanFile, fds: readonly number[]): StageProcess | undefined;
}

/** An encoded plan, and how long it is. */
export interface PlanFile {
  readonly fd: number;
  readonly size: number;
}

/** The stage as a child of ours. Whoever has it owns the fds. */
export interface StageProcess {
  readonly child: Bun.Subprocess;
  readonly status: number;
  /** -1: it has none. */
  readonly control: number;
}

/** A running stage. */
export interface Stage {
  readonly pid: number;
  /** Our end of the control socket (a stream socket, close-on-exec); the caller owns it. -1 without one. */
  readonly control: number;
  /** Ends with the stage: its exit status (128+n for a signal), or rejects with {@link StepFailure}. */
  readonly done: Promise<number>;
  kill(signal: number): void;
  /** It has ended, though `done` may not say so yet. */
  ended(): boolean;
  /** The next part of a plan that was cut, over the control socket, which must be one that blocks. */
  more(part: Plan): void;
  /** The status page, until `done` or `release`: with the plan's labels it explains a failure (`explainFailure`). */
  readonly page: number;
  /** The plan has come as far as it can fail: lets the status page go. `done` tells no failure from here on. */
  release(): void;
}

/** Starts the stage on a plan. Throws a `SystemError` when it cannot be started at all. */
export function startStage(plan: Plan | EncodedPlan, options: StageOptions = {}): Stage {
  const bytes = "bytes" in plan ? plan.bytes : encodePlan(plan);
  const fd = sealedData("ts-plan", bytes);
  try {
    return watch(giveToSpare({ fd, size: bytes.length }, options) ?? spawnStage(fd, options), plan);
  } finally {
    closeFd(fd);
  }
}

function giveToSpare(plan: PlanFile, options: StageOptions): StageProcess | undefined {
  const { spare, control, stdio, name, fds = [] } = options;
  return control && stdio === undefined && name !== undefined ? spare?.take(name, plan, fds) : undefined;
}

/** Without a plan: it waits for one (plan.h), and has a control socket. */
export function spawnStage(plan: number | undefined, options: StageOptions): StageProcess {
  const owned: number[] = [];
  const own = (fd: number): number => {
    owned.push(fd);
    return fd;
  };
  const status = sharedMemory("ts-status", STATUS_SIZE);
  let ours = -1;
  try {
    const program = stageFd();
    if (!program.shared) own(program.fd);
    let theirs = -1;
    if (options.control) {
      [ours, theirs] = socketPair();
      own(theirs);
    }
    const lift = (fd: number): number => own(aboveInherited(fd));
    const [stdin = "ignore", stdout = "ignore", stderr = "ignore"] = options.stdio ?? [];
    // Without a control socket its place is taken by the status page: KEEP takes only a socket for one
    const extra = [plan ?? theirs, status, theirs < 0 ? status : theirs, ...(options.fds ?? [])].map(lift);
    const child = Bun.spawn([`/proc/self/fd/${program.fd}`, ...(plan === undefined ? [""] : [])], {
      argv0: options.name ?? "ts-stage",
      stdio: [stdin, stdout, stderr, ...extra],
      env: {},
      cwd: "/",
    });
    return { child, status, control: ours };
  } catch (error) {
    closeFd(status);
    closeFd(ours);
    throw error;
  } finally {
    for (const fd of owned) closeFd(fd);
  }
}

function watch({ child, status, control }: StageProcess, plan: Labels): Stage {
  let page = status;
  // A keeper lives for as long as its container: its plan, with all the labels, must not
  let explained: Labels | undefined = plan;
  const release = (): void => {
    closeFd(page);
    page = -1;
    explained = undefined;
  };
  const done = child.exited
    .then(() => {
      const failed = explained && explainFailure(page, explained);
      if (failed !== undefined) throw failed;
      return child.signalCode === null
        ? (child.exitCode ?? 255)
        : 128 + SIG[child.signalCode as keyof typeof SIG];
    })
    .finally(release);
  // Whoever asks later still gets the failure; until then it is nobody's unhandled rejection
  done.catch(() => {});
  const more = (part: Plan): void => {
    explained &&= withLabels(explained, part);
    send(control, part);
  };
  return {
    pid: child.pid,
    control,
    done,
    kill: (signal) => child.kill(signal),
    more,
    ended: () => hasEnded(child.pid),
    page: status,
    release,
  };
}

/** Of a child of ours, which stays to be waited for. */
const hasEnded = (pid: number): boolean => isAs(pid, WAIT.WEXITED);

/** Has ended, or stands still: somebody has stopped it. */
export const isHalted = (pid: number): boolean => isAs(pid, WAIT.WEXITED | WAIT.WSTOPPED);

function isAs(pid: number, states: number): boolean {
  const info = new Int32Array(32);
  const got = sys("waitid", WAIT.P_PID, pid, info, states | WAIT.WNOHANG | WAIT.WNOWAIT);
  // Without one that is so si_signo is 0; ECHILD: it has been waited for.
  return got < 0 || info[0] !== 0;
}

/** A stage that is gone reads nothing: why it ended is told by its status page. */
function send(socket: number, part: Plan): void {
  const bytes = encodePlan(part);
  const frame = { type: FRAME.MORE, a: 0, generation: PLAN_BASE + part.at, value: BigInt(bytes.length) };
  for (const each of [encodeFrame(frame), bytes]) {
    for (let at = 0; at < each.length; ) {
      const sent = sys("sendto", socket, each.subarray(at), each.length - at, SOCK.MSG_NOSIGNAL, 0, 0);
      if (sent === -ERRNO.EPIPE || sent === -ERRNO.ECONNRESET) return;
      if (sent !== -ERRNO.EINTR) at += check(sent, "send a part of a plan");
    }
  }
}

/** Of a plan that goes on with `part`. */
export const withLabels = (plan: Labels, part: Labels): Labels => ({
  steps: [...plan.steps, ...part.steps],
  ...((part.nested ?? plan.nested) && { nested: part.nested ?? plan.nested }),
});

/** Runs a plan to its end. */
export const runPlan = (plan: Plan, options?: StageOptions): Promise<number> =>
  startStage(plan, options).done;

/** As much of a plan as tells what its steps were for. */
export interface Labels {
  readonly steps: readonly { readonly label: string }[];
  readonly nested?: Labels;
}

/** A plan that is in no parts, as bytes. Labels may be made when they are asked for. */
export interface EncodedPlan extends Labels {
  readonly bytes: Uint8Array;
}

/** What the status page says; whatever it says is checked, since a container may have written it. */
export function explainFailure(status: number, plan: Labels): StepFailure | undefined {
  const page = new Uint8Array(STATUS_SIZE);
  if (sys("pread64", status, page, page.length, 0) !== page.length) return undefined;
  const { failed, log } = readStatus(page);
  return failed && stepFailure(failed, log, failed.process >= NESTED_PROCESS ? plan.nested : plan);
}

function stepFailure(failed: FailedRecord, log: string, plan: Labels | undefined): StepFailure {
  const label = plan?.steps[failed.step]?.label ?? `step ${failed.step}`;
  const message = `${label}: ${errnoMessage(failed.errno)}${log === "" ? "" : ` (${log})`}`;
  return new StepFailure({
    index: failed.step,
    label,
    errno: failed.errno,
    process: failed.process,
    message,
  });
}
