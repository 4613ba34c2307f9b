import { nowNs } from "../log/time.ts";
import type { HeldKeeper, Keeper } from "../runtime/keeper.ts";
import type { Launched } from "./types.ts";

/** One that waits for its start, until it is released or dropped: one of the two, once. */
export class HeldLaunch {
  readonly attempt: string;
  /** Settled when it is launched, or nothing of it is left. */
  launched: Promise<Launched> | undefined;
  /** As `LaunchRecord.startedAt`. */
  releasedAt = "";
  failed = false;
  onRelease: (() => void) | undefined;
  #stage: HeldKeeper | undefined;

  constructor(attempt: string) {
    this.attempt = attempt;
  }

  get released(): boolean {
    return this.releasedAt !== "";
  }

  hold(stage: HeldKeeper): Promise<Keeper> {
    this.#stage = stage;
    return stage.keeper;
  }

  /** False: it has come to nothing, which will be told. */
  release(): boolean {
    // Before it can end, as with any other.
    const now = nowNs().toString();
    if (this.failed || !this.#stage?.release()) return false;
    this.releasedAt = now;
    this.onRelease?.();
    return true;
  }

  drop(): void {
    this.#stage?.drop();
  }
}
