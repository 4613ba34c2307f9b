/**
 * Runs plans: the stage, from a sealed memfd, as a child of this process.
 */
import type { Plan } from "./plan.ts";

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
  /** Plan to look labels up in when a process numbered 8 or more fails (`--init`). */
  nested?: Plan;
}

/** A running stage. */
export interface Stage {
  readonly pid: number;
  /** Our end of the control socket (a stream socket, close-on-exec); the caller owns it. -1 without one. */
  readonly control: number;
  /** Ends with the stage: its exit status (128+n for a signal), or rejects with {@link StepFailure}. */
  readonly done: Promise<number>;
  kill(signal: number): void;
}

export type StartStage = (plan: Plan, options?: StageOptions) => Stage;
/** `startStage(...).done`. */
export type RunPlan = (plan: Plan, options?: StageOptions) => Promise<number>;
