/**
 * A predecessor's attached clients, without a connection until the daemon comes back for them. Their processes' output
 * waits meanwhile.
 */
import { Session } from "./session.ts";
import type { SessionTable } from "./session-table.ts";

/** How long the daemon has to come back. */
const REJOIN_MS = 5000;

export class Orphans {
  readonly #table: SessionTable;
  readonly #byKey = new Map<string, Session>();

  constructor(table: SessionTable) {
    this.#table = table;
  }

  get keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  /** Finds them, by process. One that was behind has lost what its shim held for it. */
  restore(): Map<string, Session[]> {
    for (const slot of this.#table.left()) {
      const session = Session.restore(slot);
      if (session === undefined) {
        slot.free();
        continue;
      }
      // Asked for twice, since the first time was not answered: only one of them can be come back for.
      this.take(slot.key)?.gone();
      this.#byKey.set(slot.key, session);
    }
    return Map.groupBy(this.#byKey.values(), (session) => session.id!);
  }

  /** From when on the daemon can come back. */
  awaitDaemon(): void {
    if (this.#byKey.size === 0) return;
    setTimeout(() => this.forget(), REJOIN_MS).unref();
  }

  /** Nobody comes back for them; but for these, of a daemon that is there again. */
  forget(but: readonly string[] = []): void {
    for (const [key, session] of this.#byKey) {
      if (but.includes(key)) continue;
      this.#byKey.delete(key);
      session.gone();
    }
  }

  /** The one that is back. */
  take(key: string): Session | undefined {
    const session = this.#byKey.get(key);
    this.#byKey.delete(key);
    return session;
  }
}
