/** The tables of networks. */
import type { Schema } from "../store/database.ts";

export const NETWORK_SCHEMA: Schema = {
  noun: "network",
  statements: [
    `CREATE TABLE networks (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
    // An endpoint's row is its lease: while it is there, its addresses are nobody else's.
    `CREATE TABLE endpoints (
      id TEXT PRIMARY KEY,
      network TEXT NOT NULL,
      container TEXT NOT NULL,
      record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
    // The network namespaces that were made, one for each container that runs in one.
    `CREATE TABLE sandboxes (
      id TEXT PRIMARY KEY,
      record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
  ],
};
