/**
 * The TypeScript side of a keeper: the stage in its KEEP step (design.md, section 5). One client at a time; a new
 * one displaces the old. Event-driven: nothing here waits for a keeper that is stopped.
 */
import type { HeldName, Plan } from "./plan.ts";
import type { StageOptions } from "./stage.ts";

/** What a keeper tells. Times are nanoseconds since the epoch. */
export interface KeeperEvents {
  /** SYNC of a step before KEEP; answer with `keeper.answer(tag, value)`. */
  sync?(tag: number, value: number): void;
  /** The kept process ended: 0–255, or 128+n. Told once to every client, also to one that came later. */
  exit(status: number, time: bigint): void;
  /** A watch fired (its index in the KEEP step). */
  watch(index: number): void;
  /** The connection ended: another client took over (`displaced`), or the keeper is gone. */
  close(reason: "displaced" | "gone"): void;
}

export interface Keeper {
  /** The kept process, in the host's pid namespace. */
  readonly pid: number;
  /** The keeper itself. */
  readonly keeperPid: number;
  readonly version: number;
  readonly generation: number;
  /** The keeper's fds, duplicated for us (non-blocking is the caller's choice); the caller owns them. */
  take(): Promise<Partial<Record<HeldName, number>>>;
  /** Answers an AWAIT. */
  answer(tag: number, value?: number): void;
  /** The keeper closes its write end of the container's stdin. */
  closeStdin(): void;
  /** The keeper ends (after its child's exit; before that it refuses). */
  end(): void;
  /** Leaves; the keeper goes on. */
  disconnect(): void;
}

/** The record that a keeper leaves; undefined while its process runs or when the file is not one. */
export interface ExitRecord {
  pid: number;
  status: number;
  /** Nanoseconds since the epoch. */
  time: bigint;
  bootId: string;
}

/** Starts a plan that ends in KEEP; resolves when it got there, rejects with `StepFailure` when a step failed. */
export type LaunchKeeper = (plan: Plan, events: KeeperEvents, options?: StageOptions) => Promise<Keeper>;
/** Connects to a keeper's socket by its path (at most 107 bytes). Rejects (ECONNREFUSED, ENOENT) when there is none. */
export type ConnectKeeper = (path: string, events: KeeperEvents) => Promise<Keeper>;
export type ReadExitRecord = (path: string) => ExitRecord | undefined;
