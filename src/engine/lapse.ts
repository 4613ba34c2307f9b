/**
 * What is remembered only to be faster the next time goes when nobody has used it for long: environments are in it,
 * and so may be passwords of containers that are gone.
 */

/** Longer than between two commands of somebody who is at work. */
const UNUSED_MS = 10 * 60_000;

export class Lapse {
  readonly #forget: () => void;
  readonly #unusedMs: number;
  #usedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(forget: () => void, unusedMs = UNUSED_MS) {
    this.#forget = forget;
    this.#unusedMs = unusedMs;
  }

  /** The time begins anew. */
  used(): void {
    this.#usedAt = performance.now();
    this.#timer ??= this.#after(this.#unusedMs);
  }

  #after(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const left = this.#usedAt + this.#unusedMs - performance.now();
      this.#timer = left > 0 ? this.#after(left) : undefined;
      if (left <= 0) this.#forget();
    }, ms).unref();
  }
}
