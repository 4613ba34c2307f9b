/** The tables of volumes. */
import type { Schema } from "../store/database.ts";

export const VOLUME_SCHEMA: Schema = {
  noun: "volume",
  statements: [
    `CREATE TABLE volumes (
      name TEXT PRIMARY KEY,
      created TEXT NOT NULL,
      container TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
    "CREATE INDEX volumes_by_container ON volumes (container)",
  ],
};
