/**
 * Output that a client has not taken yet, once more in a file on tmpfs: what a shim holds in memory is gone with it,
 * and its successor takes it from here.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";

/** A client that is behind for longer than this takes is cut off when its shim is killed. */
const KEPT_LIMIT = 16 * 1024 * 1024;

export class KeptOutput {
  readonly #path: string;
  #fd = -1;
  #length = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Behind what is there; false when that is too much already. */
  append(bytes: Uint8Array): boolean {
    if (this.#length + bytes.length > KEPT_LIMIT) return false;
    try {
      if (this.#fd < 0) this.#fd = openSync(this.#path, this.#length > 0 ? "r+" : "w+", 0o600);
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#length + done);
    } catch {
      return false;
    }
    this.#length += bytes.length;
    return true;
  }

  /** The client has taken all of it. */
  rewind(): void {
    this.#length = 0;
  }

  /** What a predecessor wrote, `length` bytes of it; more is written behind that. */
  restore(length: number): Buffer | undefined {
    this.#length = length;
    if (length === 0) return Buffer.alloc(0);
    try {
      const bytes = readFileSync(this.#path);
      return bytes.length >= length ? bytes.subarray(0, length) : undefined;
    } catch {
      return undefined;
    }
  }

  remove(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    rmSync(this.#path, { force: true });
  }
}
