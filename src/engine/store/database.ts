/**
 * The engine's one database: SQLite in WAL mode under the data root. Each noun declares its tables in its own
 * `schema.ts` as a list of statements that is only ever appended to; their count is the schema's version.
 */
import { Database } from "bun:sqlite";
import { chmodSync, closeSync, openSync } from "node:fs";

export interface Schema {
  /** The noun that owns these tables. */
  readonly noun: string;
  /** Applied in order, each once; never edited after a release, only appended to. */
  readonly statements: readonly string[];
}

/**
 * Opens (or makes) the database at `path` and brings every noun's tables up to date, each in one transaction.
 * @throws when the file was written by a newer build than this one.
 */
export function openDatabase(path: string, schemas: readonly Schema[]): Database {
  // Containers' environments are in it. SQLite gives its other files the mode of this one.
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
  const db = new Database(path, { create: true, strict: true, safeIntegers: false });
  // WAL keeps what was acknowledged over a crash of ours; NORMAL syncs at checkpoints, not at every commit.
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = NORMAL");
  db.run("PRAGMA foreign_keys = ON");
  db.run("PRAGMA busy_timeout = 5000");
  db.run(
    "CREATE TABLE IF NOT EXISTS schema_version (noun TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",
  );
  for (const { noun, statements } of schemas) {
    const row = db
      .query<{ version: number }, [string]>("SELECT version FROM schema_version WHERE noun = ?")
      .get(noun);
    const from = row?.version ?? 0;
    if (from > statements.length) {
      throw new Error(
        `${path} was written by a newer tsd (${noun} is at ${from}, this build knows ${statements.length})`,
      );
    }
    db.transaction(() => {
      for (const statement of statements.slice(from)) db.run(statement);
      db.run("INSERT OR REPLACE INTO schema_version (noun, version) VALUES (?, ?)", [
        noun,
        statements.length,
      ]);
    })();
  }
  return db;
}
