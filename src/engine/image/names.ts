/**
 * Image names and what they point to. An image that lost its last name, or never had one, keeps a row whose name is
 * made of its digest: `dangling@sha256:…`, as the containerd image store has it.
 */
import type { Database } from "bun:sqlite";
import type { Descriptor } from "./types.ts";

export interface NamedImage {
  /** Canonical: `docker.io/library/busybox:latest`. */
  name: string;
  target: Descriptor;
  /** Milliseconds since the epoch. */
  createdAt: number;
  updatedAt: number;
}

interface Row {
  name: string;
  descriptor: string;
  created_at: number;
  updated_at: number;
}

const PREFIX = "dangling@";
const danglingName = (digest: string): string => PREFIX + digest;
export const isDangling = ({ name }: { name: string }): boolean => name.startsWith(PREFIX);

const toImage = (row: Row): NamedImage => ({
  name: row.name,
  target: JSON.parse(row.descriptor),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export class ImageNames {
  readonly #db: Database;
  /** Another one after every change: what was found out before may not hold any more. */
  revision = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  get(name: string): NamedImage | undefined {
    const row = this.#db.query<Row, [string]>("SELECT * FROM image_name WHERE name = ?").get(name);
    return row ? toImage(row) : undefined;
  }

  byDigest(digest: string): NamedImage[] {
    return this.#db
      .query<Row, [string]>("SELECT * FROM image_name WHERE digest = ? ORDER BY name")
      .all(digest)
      .map(toImage);
  }

  /** `hex`: the start of a digest, without its algorithm. */
  byPrefix(hex: string): NamedImage[] {
    return this.#db
      .query<Row, [string, string]>("SELECT * FROM image_name WHERE digest >= ? AND digest < ? ORDER BY name")
      .all(`sha256:${hex}`, `sha256:${hex}g`)
      .map(toImage);
  }

  byRepository(name: string): NamedImage[] {
    return this.all().filter((image) => image.name.startsWith(`${name}:`) && !image.name.includes("@"));
  }

  all(): NamedImage[] {
    return this.#db.query<Row, []>("SELECT * FROM image_name ORDER BY name").all().map(toImage);
  }

  count(): number {
    return this.#db.query<{ n: number }, []>("SELECT count(DISTINCT digest) AS n FROM image_name").get()!.n;
  }

  /**
   * Points a name at an image. What the name pointed to before stays, without a name if it was the last one.
   * @returns the image that was replaced, if it was another
   */
  set(name: string, target: Descriptor): NamedImage | undefined {
    this.revision++;
    return this.#db.transaction(() => {
      const before = this.get(name);
      const now = Date.now();
      this.#db.run("DELETE FROM image_name WHERE name = ?", [danglingName(target.digest)]);
      if (before === undefined) this.#insert(name, target, now, now);
      else {
        if (before.target.digest !== target.digest) this.#keep(before);
        this.#db.run("UPDATE image_name SET digest = ?, descriptor = ?, updated_at = ? WHERE name = ?", [
          target.digest,
          JSON.stringify(target),
          now,
          name,
        ]);
      }
      return before !== undefined && before.target.digest !== target.digest ? before : undefined;
    })();
  }

  /** An image without a name, unless it has one already. */
  addDangling(target: Descriptor): void {
    this.revision++;
    this.#db.transaction(() => {
      if (this.byDigest(target.digest).length > 0) return;
      const now = Date.now();
      this.#insert(danglingName(target.digest), target, now, now);
    })();
  }

  delete(name: string): void {
    this.revision++;
    this.#db.run("DELETE FROM image_name WHERE name = ?", [name]);
  }

  /** Takes the name away and keeps the image. */
  release(image: NamedImage): void {
    this.revision++;
    this.#db.transaction(() => {
      this.#keep(image);
      this.delete(image.name);
    })();
  }

  #keep(image: NamedImage): void {
    const { digest } = image.target;
    if (this.byDigest(digest).some(({ name }) => name !== image.name)) return;
    this.#insert(danglingName(digest), image.target, image.createdAt, image.updatedAt);
  }

  #insert(name: string, target: Descriptor, createdAt: number, updatedAt: number): void {
    this.#db.run(
      "INSERT INTO image_name (name, digest, descriptor, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
      [name, target.digest, JSON.stringify(target), createdAt, updatedAt],
    );
  }
}
