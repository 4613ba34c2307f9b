/**
 * The engine's events: the last ones kept for `since`, every new one handed to whoever listens. Events are not
 * stored: as in Docker, they start anew with the daemon.
 */
import type { Filters } from "../filters.ts";
import { nowNs } from "../log/time.ts";
import { matchEvent } from "./match.ts";
import type { EngineEvent, Happening } from "./types.ts";

/** How many past events a late client can still ask for. */
const KEPT = 256;
const PUT_BACK_NS = 1_000_000_000n;

export interface EventQuery {
  filters?: Filters;
  /** Nanoseconds since the epoch; past events are delivered only when `since` or `until` is given. */
  since?: bigint;
  until?: bigint;
}

export class EventBus {
  readonly #past: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #last = 0n;

  get listeners(): number {
    return this.#listeners.size;
  }

  emit(happening: Happening): void {
    const { Type, Action, Actor } = happening;
    const event: EngineEvent = { Type, Action, Actor, scope: "local", timeNano: this.#now() };
    if (this.#past.push(event) > KEPT) this.#past.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** The kept events between `since` and `until` that the filters let through, oldest first. */
  past({ filters = {}, since, until }: EventQuery): EngineEvent[] {
    if (since === undefined && until === undefined) return [];
    return this.#past.filter(
      (event) =>
        (since === undefined || event.timeNano >= since) &&
        (until === undefined || event.timeNano <= until) &&
        matchEvent(filters, event),
    );
  }

  /** Calls `listener`, in the turn of `emit`, for every event from now on that the filters let through; returns the way to stop. */
  subscribe(listener: (event: EngineEvent) => void, filters?: Filters): () => void {
    const listening = (event: EngineEvent) => {
      if (filters === undefined || matchEvent(filters, event)) listener(event);
    };
    this.#listeners.add(listening);
    return () => this.#listeners.delete(listening);
  }

  /**
   * Strictly increasing, so that a client may go on from the time of the last event that it saw; but a wall clock that
   * was put back is followed.
   */
  #now(): bigint {
    const now = nowNs();
    const putBack = now + PUT_BACK_NS < this.#last;
    this.#last = now > this.#last || putBack ? now : this.#last + 1n;
    return this.#last;
  }
}
