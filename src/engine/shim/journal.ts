/**
 * Makes reading a stream and logging it one step that `kill -9` cannot tear. A pipe gives its bytes once, so they
 * are read straight into a file on tmpfs that is mapped here and outlives the shim; where they go in which log, and
 * with what time, is noted beside them. A successor that finds a read not finished writes the same bytes to the same
 * place again. The beginning of a line that has no end yet (the carry) is kept in a file of its own for each stream.
 *
 * Not for a crash of the machine: tmpfs is gone with it, and so is the container.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { available, readInto } from "../../ffi/poll.ts";
import { MAX_ENTRY, NOTHING } from "../log/encode.ts";
import type { StreamName } from "../log/frame.ts";

/** Bytes in one read: what a pipe holds. */
export const MAX_READ = 64 * 1024;
const PAGE = 4096;
/** Before the data is room for an 8-byte frame header, so that a chunk is framed without a copy. */
export const DATA_AT = PAGE;
const SENTINEL = 16;
const ID_LENGTH = 64;
const HEADER = 12;

enum At {
  phase = 0,
  stream = 4,
  length = 8,
  sequence = 12,
  logSize = 16,
  time = 24,
  id = 64,
}
enum Phase {
  idle = 0,
  reading = 1,
  read = 2,
}

/** Where a read belongs. */
export interface ReadTo {
  id: string;
  stream: StreamName;
  /** Where in the log it begins. */
  logSize: number;
  time: bigint;
}

/** A read that was not logged to its end. */
export interface Unfinished extends ReadTo {
  data: Buffer;
  sequence: number;
}

export class Journal {
  /** Mapped; `DATA_AT` bytes of notes, then the data. */
  readonly buffer: Buffer;
  readonly #notes: DataView;
  /** What lay where the data goes: if it still does after a crash, nothing was read. */
  readonly #sentinel = new Uint8Array(SENTINEL);

  constructor(path: string) {
    const fd = openSync(path, "a+", 0o600);
    ftruncateSync(fd, DATA_AT + MAX_READ);
    closeSync(fd);
    const mapped = Bun.mmap(path, { shared: true });
    this.buffer = Buffer.from(mapped.buffer, mapped.byteOffset, mapped.byteLength);
    this.#notes = new DataView(mapped.buffer, mapped.byteOffset, PAGE);
  }

  /** Reads once, at most `limit` bytes, to `DATA_AT` of the buffer: the count, 0 at the end, or -errno. */
  read(fd: number, to: ReadTo, limit = MAX_READ): number {
    const { id, stream, logSize, time } = to;
    // At least one: what comes between the two calls must not be read past the journal.
    const waiting = Math.min(Math.max(available(fd), 1), limit);
    const notes = this.#notes;
    crypto.getRandomValues(this.#sentinel);
    this.buffer.set(this.#sentinel, DATA_AT);
    this.buffer.set(this.#sentinel, PAGE / 2);
    this.buffer.write(id, At.id, ID_LENGTH, "latin1");
    notes.setUint32(At.stream, stream === "stdout" ? 1 : 2, true);
    notes.setFloat64(At.logSize, logSize, true);
    notes.setBigUint64(At.time, time, true);
    notes.setUint32(At.length, waiting, true);
    notes.setUint32(At.sequence, (this.sequence + 1) >>> 0, true);
    notes.setUint32(At.phase, Phase.reading, true);
    const got = readInto(fd, this.buffer, DATA_AT, waiting);
    notes.setUint32(At.length, Math.max(got, 0), true);
    notes.setUint32(At.phase, got > 0 ? Phase.read : Phase.idle, true);
    return got;
  }

  /** Which read this is; the carry notes it, so that a successor knows whether it belongs to before or after it. */
  get sequence(): number {
    return this.#notes.getUint32(At.sequence, true);
  }

  /** The read is logged, its carry kept, and every client was given it. */
  done(): void {
    this.#notes.setUint32(At.phase, Phase.idle, true);
  }

  /** What a predecessor left. */
  unfinished(): Unfinished | undefined {
    const notes = this.#notes;
    const phase = notes.getUint32(At.phase, true);
    const length = notes.getUint32(At.length, true);
    if ((phase !== Phase.reading && phase !== Phase.read) || length > MAX_READ) return undefined;
    const data = this.buffer.subarray(DATA_AT, DATA_AT + length);
    if (phase === Phase.reading) {
      const compared = Math.min(length, SENTINEL);
      const before = this.buffer.subarray(PAGE / 2, PAGE / 2 + compared);
      if (before.equals(data.subarray(0, compared))) return undefined;
    }
    return {
      id: this.buffer.toString("latin1", At.id, At.id + ID_LENGTH),
      stream: notes.getUint32(At.stream, true) === 1 ? "stdout" : "stderr",
      data: Buffer.from(data),
      logSize: notes.getFloat64(At.logSize, true),
      time: notes.getBigUint64(At.time, true),
      sequence: this.sequence,
    };
  }
}

/** The carry of one stream, in a file with two places, so that the valid one is never overwritten. */
export class Carry {
  readonly #path: string;
  #fd = -1;
  #slot = 0;
  #sequence = -1;
  #bytes: Buffer = NOTHING;

  constructor(path: string) {
    this.#path = path;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Which read left it. */
  get sequence(): number {
    return this.#sequence;
  }

  keep(bytes: Buffer, sequence: number): void {
    if (bytes.length === 0 && this.#bytes.length === 0) return;
    // In memory in any case: writing it down may fail.
    this.#bytes = bytes;
    if (this.#fd < 0) this.#fd = openSync(this.#path, "w+", 0o600);
    this.#slot ^= 1;
    if (bytes.length > 0) writeSync(this.#fd, bytes, 0, bytes.length, PAGE + this.#slot * MAX_ENTRY);
    // Twelve bytes of one page: the kernel writes them as one.
    writeSync(this.#fd, new Uint32Array([this.#slot, bytes.length, sequence]), 0, HEADER, 0);
    this.#sequence = sequence;
  }

  /** Takes over what a predecessor kept. */
  restore(): void {
    let file: Buffer;
    try {
      file = readFileSync(this.#path);
    } catch {
      return;
    }
    if (file.length < HEADER) return;
    this.#slot = file.readUInt32LE(0) & 1;
    const at = PAGE + this.#slot * MAX_ENTRY;
    this.#bytes = Buffer.from(file.subarray(at, at + file.readUInt32LE(4)));
    this.#sequence = file.readUInt32LE(8);
    this.#fd = openSync(this.#path, "r+");
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
