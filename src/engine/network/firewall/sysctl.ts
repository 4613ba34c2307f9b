/**
 * Settings of the host's kernel that networks need. What was there before is remembered on tmpfs beside the other things
 * that do not outlive a boot, and put back when the last of ours goes.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

interface Remembered {
  /** By path below /proc/sys: what was there, what we made of it, and what else was to be remembered. */
  [path: string]: { was: string; is: string; note: readonly string[] };
}

/** What was put back may take so much more room. */
const FEW_LINES = 64;

export class Sysctls {
  readonly #file: string;
  #remembered: Remembered;
  /** Of the file: undefined when it is to be written anew. */
  #lines: number | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#remembered = load(file);
  }

  /** Undefined when there is no such setting: a link that is gone, a kernel without IPv6. */
  read(path: string): string | undefined {
    try {
      return readFileSync(`/proc/sys/${path}`, "utf8").trim();
    } catch {
      return undefined;
    }
  }

  /**
   * Whether it had to be changed. Nothing is done for a setting that is not there.
   * @param note kept with it for as long as it is changed: see `note`
   * @throws Error when it cannot be written
   */
  set(path: string, value: string, note: readonly string[] = []): boolean {
    const was = this.read(path);
    if (was === undefined || was === value) return false;
    // First written down, then done: killed in between, it is put back to what it is.
    this.#remembered[path] ??= { was, is: value, note };
    this.#remembered[path].is = value;
    this.#save(path);
    writeFileSync(`/proc/sys/${path}`, value);
    return true;
  }

  /** Whether it is as it is because of us. */
  changed(path: string): boolean {
    return Object.hasOwn(this.#remembered, path);
  }

  /** What was noted when we changed it; nothing if we did not. */
  note(path: string): readonly string[] {
    return this.#remembered[path]?.note ?? [];
  }

  /** As it was, unless somebody has changed it since. */
  restore(path: string): void {
    const entry = this.#remembered[path];
    if (entry === undefined) return;
    if (this.read(path) === entry.is) {
      try {
        writeFileSync(`/proc/sys/${path}`, entry.was);
      } catch {
        // It went meanwhile, with its link.
      }
    }
    delete this.#remembered[path];
    this.#save(path);
  }

  restoreAll(but: (path: string) => boolean = () => false): void {
    // In the opposite order: `all` before `default`, say, since writing the one changes the other.
    for (const path of Object.keys(this.#remembered).reverse()) if (!but(path)) this.restore(path);
  }

  /** A line for each change: with a thousand networks, one more does not write down a thousand. */
  #save(path: string): void {
    const count = Object.keys(this.#remembered).length;
    if (count === 0) {
      rmSync(this.#file, { force: true });
      this.#lines = undefined;
      return;
    }
    if (this.#lines !== undefined && this.#lines < 2 * count + FEW_LINES) {
      appendFileSync(this.#file, `${JSON.stringify({ [path]: this.#remembered[path] ?? null })}\n`);
      this.#lines++;
      return;
    }
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#file}.new`, `${JSON.stringify(this.#remembered)}\n`, { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
    this.#lines = 1;
  }
}

/** Each line has what changed since the one before; null: put back. */
function load(file: string): Remembered {
  const remembered: Remembered = {};
  try {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      for (const [path, entry] of Object.entries(
        JSON.parse(line) as Record<string, Remembered[string] | null>,
      )) {
        if (entry === null) delete remembered[path];
        else remembered[path] = entry;
      }
    }
  } catch {
    // No file, or its end: what is on no line was not done.
  }
  return remembered;
}
