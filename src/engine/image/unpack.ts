/**
 * One layer, in one pass: bytes from a registry or a blob are hashed, stored, decompressed, hashed again and unpacked
 * as they come. Nothing of it counts until both digests are right.
 */
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { bodyError, RegistryError } from "../../registry/client/errors.ts";
import { Repository } from "../../registry/client/repository.ts";
import { extract } from "../archive/extract.ts";
import { TarReader } from "../archive/read.ts";
import type { UnpackJob, UnpackReport } from "./unpack-job.ts";

const CHUNK = 1024 * 1024;
const RESUMES = 5;
const REPORT_EVERY = 512 * 1024;

export async function unpack(job: UnpackJob, report: (report: UnpackReport) => void): Promise<void> {
  const source = job.source.kind === "blob" ? fromFile(job) : fromRegistry(job, report);
  if (job.target === undefined) {
    for await (const _ of source);
    report({ kind: "done", size: 0, implied: [] });
    return;
  }
  const root = openSync(job.target, "r");
  try {
    const hash = new Bun.CryptoHasher("sha256");
    const tar = new TarReader(counted(decompressed(source), job, hash));
    const { size, implied } = await extract(tar, root, { whiteouts: true, maxEntries: job.maxEntries });
    await tar.drain();
    const diffId = `sha256:${hash.digest("hex")}`;
    if (job.diffId !== undefined && diffId !== job.diffId) {
      throw new Error(`layer ${job.digest}: unpacked content is ${diffId}, the image says ${job.diffId}`);
    }
    report({ kind: "done", size, implied, diffId });
  } finally {
    closeSync(root);
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  { maxBytes, digest }: UnpackJob,
  hash: Bun.CryptoHasher,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`layer ${digest} unpacks to more than ${maxBytes} bytes`);
    hash.update(chunk);
    yield chunk;
  }
}

/** By its first bytes: media types are often wrong, and containerd does not believe them either. */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  let ended = false;
  while (head.length < 6 && !ended) {
    const { done, value } = await iterator.next();
    if (done) ended = true;
    else head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  async function* rest() {
    if (head.length > 0) yield head;
    if (ended) return;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  const starts = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x1f, 0x8b)) yield* through(rest(), createGunzip({ chunkSize: CHUNK }));
  else if (starts(0x28, 0xb5, 0x2f, 0xfd)) yield* through(rest(), createZstdDecompress({ chunkSize: CHUNK }));
  else if (starts(0x42, 0x5a, 0x68)) throw new Error("bzip2 compression is not supported");
  else if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) throw new Error("xz compression is not supported");
  else yield* rest();
}

type Transform = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

/** All of `source` is read, also what follows the end of the compressed stream: its digest counts. */
async function* through(source: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  let wake = () => {};
  transform.on("drain", () => wake());
  transform.on("close", () => wake());
  const feed = async () => {
    try {
      for await (const chunk of source) {
        if (transform.destroyed || transform.writableEnded) continue;
        if (!transform.write(chunk)) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
      transform.end();
    } catch (error) {
      failure = error;
      transform.destroy(error as Error);
    }
  };
  const fed = feed();
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw failure ?? error;
  } finally {
    transform.destroy();
  }
  await fed;
  if (failure !== undefined) throw failure;
}

/** Checks size and digest; throws at the end, so that a consumer never sees a good end of bad content. */
class Verifier {
  readonly #job: UnpackJob;
  readonly #hash = new Bun.CryptoHasher("sha256");
  length = 0;

  constructor(job: UnpackJob) {
    this.#job = job;
  }

  add(chunk: Uint8Array): void {
    this.length += chunk.length;
    if (this.length > this.#job.size) {
      throw new RegistryError(
        "invalid",
        `layer ${this.#job.digest} is larger than the ${this.#job.size} bytes announced`,
      );
    }
    this.#hash.update(chunk);
  }

  finish(): void {
    const { digest, size } = this.#job;
    if (this.length !== size) {
      throw new RegistryError("invalid", `layer ${digest} has ${this.length} bytes, ${size} were announced`);
    }
    if (`sha256:${this.#hash.digest("hex")}` !== digest) {
      throw new RegistryError("invalid", `filesystem layer verification failed for digest ${digest}`);
    }
  }
}

async function* fromFile(job: UnpackJob): AsyncGenerator<Uint8Array> {
  if (job.source.kind !== "blob") return;
  const verifier = new Verifier(job);
  const fd = openSync(job.source.path, "r");
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafeSlow(CHUNK);
      const length = readSync(fd, buffer, 0, CHUNK, null);
      if (length === 0) break;
      const chunk = buffer.subarray(0, length);
      verifier.add(chunk);
      yield chunk;
      // Reading is synchronous; the decompressor's thread reports through the event loop.
      await setImmediate();
    }
  } finally {
    closeSync(fd);
  }
  verifier.finish();
}

/** Downloads into the ingest file; a broken connection is taken up where it broke. */
async function* fromRegistry(
  job: UnpackJob,
  report: (report: UnpackReport) => void,
): AsyncGenerator<Uint8Array> {
  if (job.source.kind !== "remote") return;
  const repository = new Repository(job.source.access);
  const verifier = new Verifier(job);
  const fd = openSync(job.source.ingest, "wx", 0o600);
  let reported = 0;
  try {
    for (let attempt = 0; verifier.length < job.size || attempt === 0; attempt++) {
      const begun = verifier.length;
      try {
        const response = await repository.blob(job.digest, verifier.length);
        // Without range support the registry starts over; what is known already is skipped.
        let skip = response.status === 206 ? 0 : verifier.length;
        for await (let chunk of response.body ?? []) {
          if (skip > 0) {
            const skipped = Math.min(skip, chunk.length);
            skip -= skipped;
            chunk = chunk.subarray(skipped);
            if (chunk.length === 0) continue;
          }
          verifier.add(chunk);
          for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
          if (verifier.length - reported >= REPORT_EVERY) {
            reported = verifier.length;
            report({ kind: "progress", current: reported });
          }
          yield chunk;
        }
        // A registry that closes early without an error is a broken connection, too.
        if (verifier.length < job.size && attempt >= RESUMES) break;
      } catch (error) {
        if (error instanceof RegistryError && error.kind !== "unavailable") throw error;
        // Progress earns new patience.
        if (attempt >= RESUMES) throw bodyError(error);
      }
      if (verifier.length < job.size) await Bun.sleep(verifier.length > begun ? 50 : 100 * 2 ** attempt);
    }
    verifier.finish();
    fdatasyncSync(fd);
    report({ kind: "downloaded" });
  } finally {
    closeSync(fd);
  }
}
