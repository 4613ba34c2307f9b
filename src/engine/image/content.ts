/**
 * Blobs by digest under `content/`. A blob comes into being by rename, whole and verified, or not at all; everything
 * else below `content/` is scrap that start-up sweeps.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { EngineError } from "../errors.ts";
import { digestOf } from "./manifest.ts";

/** Manifests and configs are read whole; nothing real comes near. */
const DOCUMENT_MAX = 8 * 1024 * 1024;

export class ContentStore {
  readonly #blobs: string;
  readonly #scrap: string;
  #next = 0;

  constructor(dataRoot: string) {
    this.#blobs = join(dataRoot, "content/blobs/sha256");
    this.#scrap = join(dataRoot, "content/ingest");
    mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
    mkdirSync(this.#scrap, { recursive: true, mode: 0o700 });
  }

  path(digest: string): string {
    const [algorithm, hex] = digest.split(":");
    if (algorithm !== "sha256" || !/^[a-f0-9]{64}$/.test(hex ?? ""))
      throw new Error(`not a digest: ${digest}`);
    return join(this.#blobs, hex!);
  }

  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  /** Bytes, or undefined when it is not here. */
  size(digest: string): number | undefined {
    return statSync(this.path(digest), { throwIfNoEntry: false })?.size;
  }

  /** A small blob. @throws EngineError notFound */
  read(digest: string): Uint8Array {
    const size = this.size(digest);
    if (size === undefined) throw new EngineError("notFound", `content digest ${digest}: not found`);
    if (size > DOCUMENT_MAX)
      throw new EngineError("internal", `content digest ${digest}: ${size} bytes is too large`);
    return readFileSync(this.path(digest));
  }

  /** Stores a small blob whose digest the caller computed or verified. */
  add(bytes: Uint8Array): string {
    const digest = digestOf(bytes);
    if (this.has(digest)) return digest;
    const path = this.scrap();
    const fd = openSync(path, "wx", 0o600);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(path, this.path(digest));
    return digest;
  }

  /** A path for something unfinished; gone after a crash. */
  scrap(): string {
    return join(this.#scrap, `${process.pid}-${this.#next++}`);
  }

  /** Makes a finished and verified file the blob of that digest. */
  commit(path: string, digest: string): void {
    renameSync(path, this.path(digest));
  }

  /** Takes a blob away at once; the file's blocks are freed later, off this turn. Returns its size. */
  remove(digest: string): number {
    const size = this.size(digest);
    if (size === undefined) return 0;
    const path = this.scrap();
    renameSync(this.path(digest), path);
    void Bun.file(path)
      .delete()
      .catch(() => {});
    return size;
  }

  *digests(): Generator<string> {
    for (const name of readdirSync(this.#blobs)) if (/^[a-f0-9]{64}$/.test(name)) yield `sha256:${name}`;
  }

  /** At start-up, before anything is begun. */
  sweep(): void {
    for (const name of readdirSync(this.#scrap))
      rmSync(join(this.#scrap, name), { recursive: true, force: true });
  }
}
