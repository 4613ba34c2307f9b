/** One daemon for each root: a lock that the kernel gives back when its holder ends, however that happens. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { tryLock } from "../../ffi/poll.ts";
import { isDaemon } from "./pidfile.ts";

/** Milliseconds for the child that a killed holder was just about to execute: until then it holds the lock, too. */
const PATIENCE = 2000;

export class Lock implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws Error when another process holds it */
  static async acquire(path: string, what: string): Promise<Lock> {
    // "a": the holder's pid in it must survive a failed attempt.
    const fd = openSync(path, "a", 0o600);
    try {
      const end = performance.now() + PATIENCE;
      while (!tryLock(fd)) {
        const holder = readFileSync(path, "utf8").trim();
        if (isDaemon(Number(holder)) || performance.now() > end) {
          throw new Error(`another daemon${holder ? ` (pid ${holder})` : ""} uses ${what}`);
        }
        await Bun.sleep(10);
      }
      ftruncateSync(fd);
      writeSync(fd, `${process.pid}\n`);
      return new Lock(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
