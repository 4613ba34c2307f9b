/**
 * A folder like those that are made for each new container, made ahead: the file system takes 0.2 to 0.5 ms for one, while
 * a client waits. It lies beside where it will be, on the same file system.
 */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";

/** Work comes first: the next one is made when none was asked for so long. */
const QUIET_MS = 100;

export class SpareFolder {
  readonly #path: string;
  readonly #fill: (path: string) => void;
  #there = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `fill` makes the folder at `path`, and what is in it. What another process left at `path` goes. */
  constructor(path: string, fill: (path: string) => void) {
    this.#path = path;
    this.#fill = fill;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#clear();
  }

  /** Makes the folder at `path`, where there is nothing. */
  place(path: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#make(), QUIET_MS).unref();
    if (!this.#take(path)) this.#fill(path);
  }

  #take(path: string): boolean {
    if (!this.#there) return false;
    this.#there = false;
    try {
      renameSync(this.#path, path);
      return true;
    } catch {
      // Whatever has become of it: the folder is made without.
      this.#clear();
      return false;
    }
  }

  #make(): void {
    if (this.#there) return;
    try {
      this.#fill(this.#path);
      this.#there = true;
    } catch {
      // A full disk, say: who needs a folder will hear of it.
      this.#clear();
    }
  }

  #clear(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
