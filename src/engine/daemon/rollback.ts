/** What a start has made so far: taken away again, the last first, unless the start goes through. */
import { mkdirSync, rmdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

export class Rollback implements Disposable {
  #steps: (() => void)[] = [];

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** Makes a folder and those above it that are missing. */
  makeFolder(path: string, mode: number): void {
    const first = mkdirSync(path, { recursive: true, mode });
    if (first === undefined) return;
    const top = resolve(first);
    this.add(() => {
      for (let at = resolve(path); at !== dirname(top); at = dirname(at)) rmdirSync(at);
    });
  }

  /** The start has gone through: all stays. */
  keep(): void {
    this.#steps = [];
  }

  [Symbol.dispose](): void {
    for (const step of this.#steps.reverse()) {
      try {
        step();
      } catch {
        // Somebody else has put something there meanwhile. Why the start is refused is what counts.
      }
    }
    this.keep();
  }
}
