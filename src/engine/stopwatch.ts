/** How long each step of something took, in milliseconds and in their order: for the debug log. */
export type Took = Record<string, number>;

export class Stopwatch {
  readonly took: Took = {};
  #last = performance.now();

  /** The step that ends now. */
  step(name: string): void {
    const now = performance.now();
    this.took[name] = now - this.#last;
    this.#last = now;
  }
}

/** `spec 0.4 ms, plan 0.6 ms` */
export const formatTook = (took: Took): string =>
  Object.entries(took)
    .map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`)
    .join(", ");
