/** Tables of images and snapshots. Blobs need none: a blob is a file whose name is its digest. */
import type { Schema } from "../store/database.ts";

export const imageSchema: Schema = {
  noun: "image",
  statements: [
    // One row for each name; an image without one has a row named after its digest (see names.ts).
    `CREATE TABLE image_name (
       name TEXT PRIMARY KEY,
       digest TEXT NOT NULL,
       descriptor TEXT NOT NULL,
       created_at INTEGER NOT NULL,
       updated_at INTEGER NOT NULL
     ) STRICT`,
    "CREATE INDEX image_name_digest ON image_name (digest)",
    // A layer has a chain id once it is whole; a container's own layer has the container's id. AUTOINCREMENT: an id
    // names a folder, and must not come back while a crash may have left the old one.
    `CREATE TABLE snapshot (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       parent INTEGER REFERENCES snapshot (id),
       chain TEXT UNIQUE,
       container TEXT UNIQUE,
       size INTEGER NOT NULL DEFAULT 0,
       created_at INTEGER NOT NULL
     ) STRICT`,
    "CREATE INDEX snapshot_parent ON snapshot (parent)",
  ],
};
