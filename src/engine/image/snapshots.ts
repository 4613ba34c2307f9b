/**
 * Unpacked layers and containers' writable layers: one folder each under `snapshots/`, named by the number of its
 * row. The names are short so that many of them fit into one mount(2) option page.
 *
 * A row without chain and container is a layer being unpacked. The folder of a row that is gone is scrap.
 */
import type { Database } from "bun:sqlite";
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fchmod, fchown, futimens } from "../../ffi/fs.ts";
import { likeLower } from "../archive/directories.ts";
import type { Rootfs } from "../shim/types.ts";
import { SpareFolder } from "../store/spare-folder.ts";

interface Row {
  id: number;
  parent: number | null;
  chain: string | null;
  container: string | null;
  size: number;
}

const UPPER_MODE = 0o755;

/** A container's writable layer, as overlayfs wants it. */
function makeFolders(path: string): void {
  mkdirSync(path, { mode: 0o700 });
  mkdirSync(join(path, "work"), { mode: 0o700 });
  const upper = join(path, "upper");
  mkdirSync(upper);
  // Not what the process's mask leaves of it, nor the group that a folder above may hand on.
  chownSync(upper, 0, 0);
  chmodSync(upper, UPPER_MODE);
}

export class SnapshotStore {
  readonly #db: Database;
  readonly #root: string;
  readonly #claim;
  /** Rows that were looked up: every create and start asks for them, and for each layer of the image. */
  readonly #layers = new Map<string, Row>();
  readonly #containers = new Map<string, Row>();
  /** A layer's id and those of all below it, top first. */
  readonly #lineages = new Map<number, readonly number[]>();
  /** The last folder's number. A folder is there before its row, or without one: no number is given twice. */
  #last: number;
  readonly #spare: SpareFolder;
  /** Containers whose layers have no row yet. */
  readonly #unclaimed = new Set<string>();
  /** Layers are left that only containers stand on: when one of those goes, so may they. */
  orphans = false;

  constructor(db: Database, dataRoot: string) {
    this.#db = db;
    this.#root = join(dataRoot, "snapshots");
    const given = db
      .query<{ seq: number }, []>("SELECT seq FROM sqlite_sequence WHERE name = 'snapshot'")
      .get();
    this.#last = given?.seq ?? 0;
    this.#claim = db.query<null, [number, number | null, string, number]>(
      "INSERT INTO snapshot (id, parent, container, created_at) VALUES (?, ?, ?, ?)",
    );
    // Layers hold device nodes and setuid programs of strangers: nobody else on the host may reach them.
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    chmodSync(this.#root, 0o700);
    this.#spare = new SpareFolder(join(dataRoot, "spare/layer"), makeFolders);
  }

  path(id: number): string {
    return join(this.#root, String(id));
  }

  layer(chain: string): Row | undefined {
    const known = this.#layers.get(chain);
    if (known !== undefined) return known;
    const row = this.#db.query<Row, [string]>("SELECT * FROM snapshot WHERE chain = ?").get(chain);
    if (row !== null) this.#layers.set(chain, row);
    return row ?? undefined;
  }

  has(chain: string): boolean {
    return this.layer(chain) !== undefined;
  }

  /** Bytes on disk of one layer alone; 0 when it is not unpacked. */
  size(chain: string): number {
    return this.layer(chain)?.size ?? 0;
  }

  /** An empty folder for a layer. */
  begin(): { id: number; path: string } {
    const id = ++this.#last;
    this.#db.run("INSERT INTO snapshot (id, created_at) VALUES (?, ?)", [id, Date.now()]);
    const path = this.path(id);
    mkdirSync(path, { mode: 0o755 });
    chmodSync(path, 0o755);
    return { id, path };
  }

  /**
   * Makes an unpacked folder the layer of a chain. Directories that its archive left out look like those below.
   * When another one was faster, this one is thrown away.
   */
  commit(
    id: number,
    chain: string,
    parentChain: string | undefined,
    size: number,
    implied: readonly string[],
  ): void {
    const parent = parentChain === undefined ? undefined : this.layer(parentChain);
    if (parentChain !== undefined && parent === undefined)
      throw new Error(`layer ${parentChain} is not unpacked`);
    if (this.has(chain)) {
      this.abandon(id);
      return;
    }
    if (implied.length > 0 && parent !== undefined) this.#copyAttributes(id, parent.id, implied);
    this.#db.run("UPDATE snapshot SET chain = ?, parent = ?, size = ? WHERE id = ?", [
      chain,
      parent?.id ?? null,
      size,
      id,
    ]);
  }

  #copyAttributes(id: number, parent: number, implied: readonly string[]): void {
    const fds: number[] = [];
    try {
      const root = openSync(this.path(id), "r");
      fds.push(root);
      const lowers = this.#lineage(parent).map((lower) => openSync(this.path(lower), "r"));
      fds.push(...lowers);
      for (const path of implied) {
        likeLower(root, path, lowers, (fd, { mode, uid, gid, mtime }) => {
          fchown(fd, uid, gid);
          fchmod(fd, mode);
          futimens(fd, mtime);
        });
      }
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  /** Throws an unfinished layer away. */
  abandon(id: number): void {
    this.#db.run("DELETE FROM snapshot WHERE id = ? AND container IS NULL AND chain IS NULL", [id]);
    void rm(this.path(id), { recursive: true, force: true }).catch(() => {});
  }

  /**
   * A container's writable layer on top of a chain: its folders. Idempotent. {@link claim} writes its row; without one it
   * is swept at the next start-up.
   */
  prepare(container: string, chain: string | undefined): Rootfs {
    const existing = this.#containers.get(container);
    if (existing !== undefined) return this.#rootfs(existing);
    const parent = chain === undefined ? undefined : this.layer(chain);
    if (chain !== undefined && parent === undefined) throw new Error(`layer ${chain} is not unpacked`);
    const row: Row = { id: ++this.#last, parent: parent?.id ?? null, chain: null, container, size: 0 };
    this.#containers.set(container, row);
    this.#unclaimed.add(container);
    const path = this.path(row.id);
    this.#spare.place(path);
    const upper = join(path, "upper");
    // The root of the merged tree shows the upper directory's owner and mode.
    const like = parent === undefined ? undefined : statSync(this.path(parent.id));
    if (like !== undefined && (like.uid !== 0 || like.gid !== 0)) chownSync(upper, like.uid, like.gid);
    const mode = (like?.mode ?? UPPER_MODE) & 0o7777;
    if (mode !== UPPER_MODE) chmodSync(upper, mode);
    return this.#rootfs(row);
  }

  /** Writes the row of a layer that was prepared, inside the caller's transaction. */
  claim(container: string): void {
    const { id, parent } = this.#containers.get(container)!;
    this.#claim.run(id, parent, container, Date.now());
    this.#unclaimed.delete(container);
  }

  rootfs(container: string): Rootfs | undefined {
    const row = this.#container(container);
    return row && this.#rootfs(row);
  }

  /** Empties a container's writable layer, which nobody has mounted. */
  clear(container: string): void {
    const row = this.#container(container);
    if (row === undefined) return;
    for (const name of ["upper", "work"]) {
      const folder = join(this.path(row.id), name);
      for (const entry of readdirSync(folder)) rmSync(join(folder, entry), { recursive: true, force: true });
    }
  }

  async discard(container: string): Promise<void> {
    const row = this.#container(container);
    if (row === undefined) return;
    if (!this.#unclaimed.delete(container)) this.#db.run("DELETE FROM snapshot WHERE id = ?", [row.id]);
    this.#containers.delete(container);
    await rm(this.path(row.id), { recursive: true, force: true });
  }

  /** Bytes of all layers below a container, and its writable folder. */
  below(container: string): { lower: number; upper: string } | undefined {
    const row = this.#container(container);
    if (row === undefined) return undefined;
    let lower = 0;
    for (const id of row.parent === null ? [] : this.#lineage(row.parent)) lower += this.#byId(id).size;
    return { lower, upper: join(this.path(row.id), "upper") };
  }

  containers(): string[] {
    return this.#db
      .query<{ container: string }, []>("SELECT container FROM snapshot WHERE container IS NOT NULL")
      .all()
      .map(({ container }) => container);
  }

  /**
   * Removes every layer that no chain in `keep` and no container stands on, top layers first.
   * @returns their bytes
   */
  collect(keep: ReadonlySet<string>): number {
    let freed = 0;
    const gone: number[] = [];
    this.#layers.clear();
    this.#lineages.clear();
    this.#db.transaction(() => {
      for (;;) {
        const leaves = this.#db
          .query<Row, []>(
            `SELECT * FROM snapshot s WHERE chain IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM snapshot c WHERE c.parent = s.id)`,
          )
          .all()
          .filter(({ chain }) => !keep.has(chain!));
        if (leaves.length === 0) break;
        for (const { id, size } of leaves) {
          this.#db.run("DELETE FROM snapshot WHERE id = ?", [id]);
          freed += size;
          gone.push(id);
        }
      }
    })();
    this.orphans = this.#db
      .query<{ chain: string }, []>("SELECT chain FROM snapshot WHERE chain IS NOT NULL")
      .all()
      .some(({ chain }) => !keep.has(chain));
    for (const id of gone) void rm(this.path(id), { recursive: true, force: true }).catch(() => {});
    return freed;
  }

  /** At start-up: rows of unfinished layers, containers that are no more, and folders without a row. */
  sweep(containers: ReadonlySet<string>): void {
    this.#db.run("DELETE FROM snapshot WHERE chain IS NULL AND container IS NULL");
    for (const container of this.containers()) {
      if (!containers.has(container)) this.#db.run("DELETE FROM snapshot WHERE container = ?", [container]);
    }
    this.#containers.clear();
    const rows = new Set(
      this.#db
        .query<{ id: number }, []>("SELECT id FROM snapshot")
        .all()
        .map(({ id }) => String(id)),
    );
    for (const name of readdirSync(this.#root)) {
      if (!rows.has(name)) rmSync(join(this.#root, name), { recursive: true, force: true });
    }
  }

  #container(container: string): Row | undefined {
    const known = this.#containers.get(container);
    if (known !== undefined) return known;
    const row = this.#db.query<Row, [string]>("SELECT * FROM snapshot WHERE container = ?").get(container);
    if (row !== null) this.#containers.set(container, row);
    return row ?? undefined;
  }

  #byId(id: number): Row {
    return this.#db.query<Row, [number]>("SELECT * FROM snapshot WHERE id = ?").get(id)!;
  }

  /** A layer and all below it, top first. */
  #lineage(id: number): readonly number[] {
    const known = this.#lineages.get(id);
    if (known !== undefined) return known;
    const ids: number[] = [];
    for (let at: number | null = id; at !== null; at = this.#byId(at).parent) ids.push(at);
    this.#lineages.set(id, ids);
    return ids;
  }

  #rootfs(row: Row): Rootfs {
    const path = this.path(row.id);
    const lower = row.parent === null ? [] : this.#lineage(row.parent).map((id) => this.path(id));
    // Overlayfs wants at least one lower directory; an image without layers gets an empty one.
    if (lower.length === 0) {
      const empty = join(path, "lower");
      mkdirSync(empty, { recursive: true, mode: 0o755 });
      lower.push(empty);
    }
    return { kind: "overlay", lower, upper: join(path, "upper"), work: join(path, "work") };
  }
}
