/** Text that someone pushes and someone else, perhaps later, takes away in as few pieces as there are. */

const encoder = new TextEncoder();

export class ByteQueue implements AsyncIterable<Uint8Array> {
  #waiting: string[] = [];
  #length = 0;
  #ended = false;
  #wake: () => void = () => {};
  #ending: () => void = () => {};
  readonly #limit: number;

  /** More than `limit` characters that nobody takes end the queue: its reader is too slow. */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  push(text: string): void {
    if (this.#ended) return;
    this.#waiting.push(text);
    this.#length += text.length;
    if (this.#length > this.#limit) this.end();
    this.#wake();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#ending();
    this.#wake();
  }

  /** Called once, when nothing more can be pushed. */
  onEnd(listener: () => void): void {
    this.#ending = listener;
    if (this.#ended) listener();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#waiting.length > 0) {
        const text = this.#waiting.join("");
        this.#waiting = [];
        this.#length = 0;
        yield encoder.encode(text);
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
