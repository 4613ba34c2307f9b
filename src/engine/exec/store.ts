/** All execs, in the database and in memory. */
import type { Database } from "bun:sqlite";
import type { Exec } from "./exec.ts";

export class ExecStore {
  readonly #byId = new Map<string, Exec>();
  /** Who waits for an exec to begin or to end. */
  readonly #waiting = {
    begin: new Map<string, PromiseWithResolvers<void>>(),
    end: new Map<string, PromiseWithResolvers<void>>(),
  };
  readonly #write;
  readonly #delete;
  readonly #deleteOf;

  constructor(db: Database) {
    this.#write = db.query<null, [string, string, string]>(
      "INSERT OR REPLACE INTO execs (id, container, record) VALUES (?, ?, ?)",
    );
    this.#delete = db.query<null, [string]>("DELETE FROM execs WHERE id = ?");
    this.#deleteOf = db.query<null, [string]>("DELETE FROM execs WHERE container = ?");
    for (const { record } of db.query<{ record: string }, []>("SELECT record FROM execs").all()) {
      const exec = JSON.parse(record) as Exec;
      this.#byId.set(exec.id, exec);
    }
  }

  get(id: string): Exec | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<Exec> {
    return this.#byId.values();
  }

  save(exec: Exec): void {
    this.#write.run(exec.id, exec.container, JSON.stringify(exec));
    this.#byId.set(exec.id, exec);
  }

  /** Resolves when `told` is called for it. */
  until(what: "begin" | "end", id: string): Promise<void> {
    let waiting = this.#waiting[what].get(id);
    if (waiting === undefined) {
      waiting = Promise.withResolvers<void>();
      this.#waiting[what].set(id, waiting);
    }
    return waiting.promise;
  }

  /** `begin`: it runs, or never will. */
  told(what: "begin" | "end", id: string): void {
    this.#waiting[what].get(id)?.resolve();
    this.#waiting[what].delete(id);
  }

  delete(id: string): void {
    this.#delete.run(id);
    this.#byId.delete(id);
  }

  /** Those of a container that ended. */
  deleteOf(container: string): void {
    let any = false;
    for (const exec of this.#byId.values()) {
      if (exec.container !== container) continue;
      this.#byId.delete(exec.id);
      any = true;
    }
    // Most containers never have one: no write for nothing.
    if (any) this.#deleteOf.run(container);
  }
}
