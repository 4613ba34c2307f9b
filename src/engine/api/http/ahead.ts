/** What came of the next requests, and has to wait: for the rest of a head, or for the answer to the request before. */

const NOTHING = Buffer.allocUnsafeSlow(0);

export class Ahead {
  /** Grows by doubling: a head that comes byte by byte would be copied as often as it has bytes. */
  #room: Buffer = NOTHING;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** What waits, then these bytes; valid until the next call. Nothing waits any more. */
  take(bytes: Buffer): Buffer {
    if (this.#size === 0) return bytes;
    const size = this.#size + bytes.length;
    if (size > this.#room.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(size, this.#room.length * 2));
      this.#room.copy(room, 0, 0, this.#size);
      this.#room = room;
    }
    bytes.copy(this.#room, this.#size);
    this.#size = 0;
    return this.#room.subarray(0, size);
  }

  /** Keeps the end of what was taken. */
  keep(rest: Buffer): void {
    this.#size = rest.length;
    if (rest.length === 0) this.#room = NOTHING;
    // Its memory is its own, never a part of a pool's.
    else if (rest.buffer !== this.#room.buffer) {
      this.#room = Buffer.allocUnsafeSlow(rest.length);
      this.#room.set(rest);
    } else if (rest.byteOffset !== this.#room.byteOffset) this.#room.set(rest);
  }
}
