/**
 * Volumes: folders of data that outlive a container's root file system. Only anonymous ones so far: made for an
 * image's VOLUME and for `-v /path`, each belonging to the container that it was made for.
 */
import type { Database } from "bun:sqlite";
import { existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../errors.ts";
import type { EventBus } from "../event/bus.ts";
import {
  booleanFilter,
  type Filters,
  matchExact,
  matchPairs,
  matchPattern,
  validateFilters,
} from "../filters.ts";
import type { Volume, VolumeService } from "../services.ts";

interface Row {
  name: string;
  created: string;
  container: string;
}

/** Docker's mark of a volume that nobody named. */
const LABELS = { "com.docker.volume.anonymous": "" };

export interface VolumeOptions {
  db: Database;
  /** `volumes/` under the data root. */
  folder: string;
  events: EventBus;
}

export class Volumes implements VolumeService {
  readonly #options: VolumeOptions;
  readonly #insert;
  readonly #delete;
  readonly #one;

  constructor(options: VolumeOptions) {
    this.#options = options;
    const { db } = options;
    this.#insert = db.query<null, [string, string, string]>(
      "INSERT INTO volumes (name, created, container) VALUES (?, ?, ?)",
    );
    this.#delete = db.query<null, [string]>("DELETE FROM volumes WHERE name = ?");
    this.#one = db.query<Row, [string]>("SELECT name, created, container FROM volumes WHERE name = ?");
  }

  mountpoint(name: string): string {
    return join(this.#options.folder, name, "_data");
  }

  /** Makes the folder; `record` claims it. Without that a crash leaves what {@link sweep} removes. */
  make(name: string): string {
    const path = this.mountpoint(name);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    return path;
  }

  /** Writes the row, inside the caller's transaction. */
  record(name: string, container: string): void {
    this.#insert.run(name, new Date().toISOString().replace(/\.\d+Z$/, "Z"), container);
  }

  created(name: string): void {
    this.#emit(name, "create");
  }

  /** The container that a volume belongs to; it need not exist any more. */
  #row(name: string): Row {
    const row = this.#one.get(name);
    if (row === null) throw new EngineError("notFound", `get ${name}: no such volume`);
    return row;
  }

  list(filters: Filters): Volume[] {
    validateFilters(filters, ["dangling", "name", "driver", "label"]);
    const dangling = filters.dangling === undefined ? undefined : booleanFilter(filters, "dangling", false);
    return this.#rows()
      .filter(
        (row) =>
          matchPattern(filters, "name", row.name) &&
          matchExact(filters, "driver", "local") &&
          matchPairs(filters, "label", LABELS) &&
          (dangling === undefined || dangling === !this.#inUse(row)),
      )
      .map((row) => this.#show(row));
  }

  inspect(name: string): Volume {
    return this.#show(this.#row(name));
  }

  async remove(name: string, { force }: { force: boolean }): Promise<void> {
    const row = this.#one.get(name);
    if (row === null) {
      if (force) return;
      this.#row(name);
    }
    if (this.#inUse(row!)) {
      throw new EngineError("conflict", `remove ${name}: volume is in use - [${row!.container}]`);
    }
    await this.discard([name]);
  }

  async prune(filters: Filters): Promise<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }> {
    validateFilters(filters, ["label", "label!", "all"]);
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const row of this.#rows()) {
      if (this.#inUse(row) || !matchPairs(filters, "label", LABELS)) continue;
      if (filters["label!"]?.length && matchPairs(filters, "label!", LABELS)) continue;
      reclaimed += sizeOf(this.mountpoint(row.name));
      await this.discard([row.name]);
      deleted.push(row.name);
    }
    this.#options.events.emit({
      Type: "volume",
      Action: "prune",
      Actor: { ID: "", Attributes: { reclaimed: String(reclaimed) } },
    });
    return { VolumesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: reclaimed };
  }

  async diskUsage(): Promise<Volume[]> {
    return this.#rows().map((row) => ({
      ...this.#show(row),
      UsageData: { Size: sizeOf(this.mountpoint(row.name)), RefCount: this.#inUse(row) ? 1 : 0 },
    }));
  }

  /** The row first: a folder without a row is swept, a row without its folder would be a lie. */
  async discard(names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#delete.run(name);
      await rm(join(this.#options.folder, name), { recursive: true, force: true });
      this.#emit(name, "destroy");
    }
  }

  /** At start-up: removes folders that no row claims. */
  async sweep(): Promise<void> {
    if (!existsSync(this.#options.folder)) return;
    for (const name of readdirSync(this.#options.folder)) {
      if (this.#one.get(name) === null)
        await rm(join(this.#options.folder, name), { recursive: true, force: true });
    }
  }

  mounted(name: string, container: string, destination: string, rw: boolean): void {
    this.#emit(name, "mount", { container, destination, "read/write": String(rw), propagation: "" });
  }

  unmounted(name: string, container: string): void {
    this.#emit(name, "unmount", { container });
  }

  #emit(name: string, action: string, attributes: Record<string, string> = {}): void {
    this.#options.events.emit({
      Type: "volume",
      Action: action,
      Actor: { ID: name, Attributes: { ...attributes, driver: "local" } },
    });
  }

  #rows(): Row[] {
    return this.#options.db
      .query<Row, []>("SELECT name, created, container FROM volumes ORDER BY name")
      .all();
  }

  #inUse(row: Row): boolean {
    const query = this.#options.db.query<{ found: number }, [string]>(
      "SELECT 1 AS found FROM containers WHERE id = ?",
    );
    return query.get(row.container) !== null;
  }

  #show(row: Row): Volume {
    return {
      CreatedAt: row.created,
      Driver: "local",
      Labels: LABELS,
      Mountpoint: this.mountpoint(row.name),
      Name: row.name,
      Options: null,
      Scope: "local",
    };
  }
}

/** Bytes of the files below, each inode once, links not followed. */
function sizeOf(path: string, seen = new Set<number>()): number {
  let sum = 0;
  let names: string[];
  try {
    names = readdirSync(path);
  } catch {
    return 0;
  }
  for (const name of names) {
    const child = join(path, name);
    const stats = lstatSync(child, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (stats.isDirectory()) sum += sizeOf(child, seen);
    else if (!seen.has(stats.ino)) {
      seen.add(stats.ino);
      sum += stats.size;
    }
  }
  return sum;
}
