/**
 * Takes bytes off a stream of chunks. What is already buffered is handed out synchronously: a layer has tens of
 * thousands of small files, and a turn of the event loop for each would cost more than writing them.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly `size` bytes if they are buffered. */
  takeSync(size: number): Uint8Array | undefined {
    if (this.#chunk.length - this.#at < size) return undefined;
    this.#at += size;
    return this.#chunk.subarray(this.#at - size, this.#at);
  }

  /** `size` bytes, fewer when the stream ends within them, undefined when it has ended before. */
  async take(size: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let missing = size;
    while (missing > 0) {
      const part = this.someSync(missing) ?? (await this.some(missing));
      if (part === undefined) break;
      if (part.length === size) return part;
      parts.push(part);
      missing -= part.length;
    }
    if (size > 0 && missing === size) return undefined;
    return Buffer.concat(parts);
  }

  /** At least one and at most `most` bytes, if any are buffered. */
  someSync(most: number): Uint8Array | undefined {
    const length = Math.min(most, this.#chunk.length - this.#at);
    return length > 0 ? this.takeSync(length) : undefined;
  }

  /** Like `someSync`, waiting for the next chunk; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#at === this.#chunk.length) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#chunk = value;
      this.#at = 0;
    }
    return this.someSync(most);
  }
}
