/** The tables of containers. */
import type { Schema } from "../store/database.ts";

export const CONTAINER_SCHEMA: Schema = {
  noun: "container",
  statements: [
    // `state` is the only column that changes after create, besides the name.
    `CREATE TABLE containers (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      record TEXT NOT NULL,
      state TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
  ],
};
