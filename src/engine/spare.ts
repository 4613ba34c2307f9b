/**
 * One network namespace, say, made ahead: to make one takes the kernel, and with it whoever starts a container, the better
 * part of a millisecond. It is made a moment after the one before was taken, and let go when nobody comes for it.
 */

/** What it has of the host, sysctls say, is not to be old. */
const KEPT_MS = 5000;

export class Spare<T extends Disposable> {
  readonly #make: () => T;
  readonly #behindMs: number;
  #spare: T | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `behindMs` after {@link refill} it is made: what the caller still has to do comes first. */
  constructor(make: () => T, behindMs: number) {
    this.#make = make;
    this.#behindMs = behindMs;
  }

  /** The caller's from now on; undefined when there is none. */
  take(): T | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    clearTimeout(this.#timer);
    return spare;
  }

  /** The next one is made in a moment. */
  refill(): void {
    if (this.#spare !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      try {
        this.#spare = this.#make();
      } catch {
        // Whoever needs one tries for himself, and tells.
        return;
      }
      this.#timer = setTimeout(() => this.#drop(), KEPT_MS).unref();
    }, this.#behindMs).unref();
  }

  #drop(): void {
    this.#spare?.[Symbol.dispose]();
    this.#spare = undefined;
  }
}
