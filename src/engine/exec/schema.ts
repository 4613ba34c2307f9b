/** The table of execs. They are kept so that a new daemon knows those that the shim still runs. */
import type { Schema } from "../store/database.ts";

export const EXEC_SCHEMA: Schema = {
  noun: "exec",
  statements: [
    `CREATE TABLE execs (
      id TEXT PRIMARY KEY,
      container TEXT NOT NULL,
      record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
  ],
};
