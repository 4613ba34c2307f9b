/**
 * All containers: rows in the database, and the same in memory, because most questions are asked far more often
 * than anything changes. A change is written before it is acknowledged.
 */
import type { Database } from "bun:sqlite";
import { EngineError } from "../errors.ts";
import { Container, type ContainerRecord } from "./container.ts";
import { makeUpName, nameConflict } from "./names.ts";
import type { ContainerState } from "./state.ts";

interface Row {
  id: string;
  name: string;
  record: string;
  state: string;
}

const isUnique = (error: unknown): boolean =>
  (error as { code?: string }).code?.startsWith("SQLITE_CONSTRAINT") ?? false;

export const noSuchContainer = (name: string): EngineError =>
  new EngineError("notFound", `No such container: ${name}`);

export class ContainerStore {
  readonly #db: Database;
  readonly #byId = new Map<string, Container>();
  readonly #byName = new Map<string, Container>();
  readonly #insert;
  readonly #update;
  readonly #rewrite;
  readonly #put;
  readonly #rename;
  readonly #delete;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.query<null, [string, string, string, string]>(
      "INSERT INTO containers (id, name, record, state) VALUES (?, ?, ?, ?)",
    );
    this.#update = db.query<null, [string, string]>("UPDATE containers SET state = ? WHERE id = ?");
    this.#rewrite = db.query<null, [string, string]>("UPDATE containers SET record = ? WHERE id = ?");
    this.#put = db.query<null, [string, string, string]>(
      "UPDATE containers SET record = ?, state = ? WHERE id = ?",
    );
    this.#rename = db.query<null, [string, string]>("UPDATE containers SET name = ? WHERE id = ?");
    this.#delete = db.query<null, [string]>("DELETE FROM containers WHERE id = ?");
    for (const row of db.query<Row, []>("SELECT id, name, record, state FROM containers").all()) {
      this.#remember(
        new Container(
          row.id,
          row.name,
          JSON.parse(row.record) as ContainerRecord,
          JSON.parse(row.state) as ContainerState,
        ),
      );
    }
  }

  all(): Iterable<Container> {
    return this.#byId.values();
  }

  get size(): number {
    return this.#byId.size;
  }

  byId(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): Container | undefined {
    return this.#byName.get(name);
  }

  /** Stores a new container; `also` writes what must come or fail with it. Its name is free. */
  add(container: Container, also: () => void): void {
    const { id, name, record, state } = container;
    this.#db.transaction(() => {
      this.#insert.run(id, name, JSON.stringify(record), JSON.stringify(state));
      also();
    })();
    this.#remember(container);
  }

  /** A name for a container that nobody gave one. */
  freeName(id: string): string {
    for (let attempt = 0; ; attempt++) {
      const name = attempt < 6 ? `/${makeUpName(attempt)}` : `/${id.slice(0, 12)}`;
      if (!this.#byName.has(name)) return name;
    }
  }

  /** @throws EngineError conflict when the name is taken */
  requireFree(name: string): void {
    const taken = this.#byName.get(name);
    if (taken !== undefined) throw nameConflict(name, taken.id);
  }

  /** Writes a state, then makes it the container's. */
  setState(container: Container, change: Partial<ContainerState>): void {
    const state = { ...container.state, ...change };
    this.#update.run(JSON.stringify(state), container.id);
    container.state = state;
    container.changed();
  }

  /** Makes a state the container's without writing it: its row is removed next, or is written later. */
  noteState(container: Container, change: Partial<ContainerState>): void {
    container.state = { ...container.state, ...change };
    container.changed();
  }

  /** Writes what it was created as anew: an update's limits. */
  setRecord(container: Container, record: ContainerRecord): void {
    this.#rewrite.run(JSON.stringify(record), container.id);
    container.record = record;
  }

  /** Writes what it is. */
  write({ id, record, state }: Container): void {
    this.#put.run(JSON.stringify(record), JSON.stringify(state), id);
  }

  /** @throws EngineError conflict */
  rename(container: Container, name: string): void {
    this.requireFree(name);
    try {
      this.#rename.run(name, container.id);
    } catch (error) {
      if (isUnique(error)) throw nameConflict(name, "");
      throw error;
    }
    this.#byName.delete(container.name);
    container.name = name;
    this.#byName.set(name, container);
  }

  /** Deletes the row, together with what `also` deletes. */
  remove(container: Container, also?: () => void): void {
    if (also === undefined) this.#delete.run(container.id);
    else {
      this.#db.transaction(() => {
        this.#delete.run(container.id);
        also();
      })();
    }
    this.#byId.delete(container.id);
    this.#byName.delete(container.name);
  }

  /**
   * By id, by name with or without its slash, or by the start of an id that only one has.
   * @throws EngineError notFound, or invalid when several ids start like this
   */
  find(nameOrId: string): Container {
    if (nameOrId === "") throw new EngineError("invalid", `invalid name or ID supplied: ""`);
    const exact =
      this.#byId.get(nameOrId) ?? this.#byName.get(nameOrId.startsWith("/") ? nameOrId : `/${nameOrId}`);
    if (exact !== undefined) return exact;
    const found = this.withPrefix(nameOrId);
    if (found.length > 1) {
      throw new EngineError("invalid", `multiple IDs found with provided prefix: ${nameOrId}`);
    }
    if (found[0] === undefined) throw noSuchContainer(nameOrId);
    return found[0];
  }

  withPrefix(prefix: string): Container[] {
    const found: Container[] = [];
    if (/^[0-9a-f]{1,64}$/.test(prefix)) {
      for (const [id, container] of this.#byId) if (id.startsWith(prefix)) found.push(container);
    }
    return found;
  }

  #remember(container: Container): void {
    this.#byId.set(container.id, container);
    this.#byName.set(container.name, container);
  }
}
