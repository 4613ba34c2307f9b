/**
 * What a client has not taken yet: a little in memory, then in a file without a name, then it is full.
 */
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

export const MEMORY_LIMIT = 1024 * 1024;
export const FILE_LIMIT = 256 * 1024 * 1024;
const BLOCK = 256 * 1024;

export class Backlog {
  readonly #folder: string;
  #queue: Buffer[] = [];
  #queued = 0;
  #fd = -1;
  #readAt = 0;
  #writeAt = 0;

  /** `folder` is on a disk: the spill file lies there. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get empty(): boolean {
    return this.#queued === 0 && this.#readAt === this.#writeAt;
  }

  /** More is taken even then; whoever pushes should stop. */
  get full(): boolean {
    return this.#writeAt - this.#readAt >= FILE_LIMIT || (this.#fd === -2 && this.#queued >= MEMORY_LIMIT);
  }

  /** Copies. */
  push(bytes: Uint8Array): void {
    if (this.#writeAt > this.#readAt || this.#queued >= MEMORY_LIMIT) {
      if (this.#spill(bytes)) return;
    }
    this.#queue.push(Buffer.from(bytes));
    this.#queued += bytes.length;
  }

  /** What comes next, or undefined; it stays until {@link take} says how much of it was sent. */
  peek(): Buffer | undefined {
    if (this.#queue.length === 0 && this.#readAt < this.#writeAt) {
      const block = Buffer.allocUnsafe(Math.min(BLOCK, this.#writeAt - this.#readAt));
      const got = readSync(this.#fd, block, 0, block.length, this.#readAt);
      this.#readAt += got;
      this.#queue.push(block.subarray(0, got));
      this.#queued += got;
      if (this.#readAt === this.#writeAt) this.#closeFile();
    }
    return this.#queue[0];
  }

  take(count: number): void {
    const first = this.#queue[0]!;
    this.#queued -= count;
    if (count === first.length) this.#queue.shift();
    else this.#queue[0] = first.subarray(count);
  }

  clear(): void {
    this.#queue = [];
    this.#queued = 0;
    this.#closeFile();
  }

  /** False when there is no file to be had: then memory's limit is the end. */
  #spill(bytes: Uint8Array): boolean {
    if (this.#fd === -2) return false;
    try {
      if (this.#fd === -1) this.#fd = openUnnamed(this.#folder);
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#writeAt + done);
      }
      this.#writeAt += bytes.length;
      return true;
    } catch {
      if (this.#writeAt > this.#readAt) {
        // Disk full in the middle: what lies in the file must go out before what follows, so this waits in memory behind it.
        const rest = Buffer.allocUnsafe(this.#writeAt - this.#readAt);
        readSync(this.#fd, rest, 0, rest.length, this.#readAt);
        this.#queue.push(rest);
        this.#queued += rest.length;
      }
      this.#closeFile();
      this.#fd = -2;
      return false;
    }
  }

  #closeFile(): void {
    if (this.#fd >= 0) {
      closeSync(this.#fd);
      this.#fd = -1;
    }
    this.#readAt = this.#writeAt = 0;
  }
}

function openUnnamed(folder: string): number {
  const path = join(folder, `.attach-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  unlinkSync(path);
  return fd;
}
