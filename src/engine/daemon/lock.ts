/** One daemon for each root: a lock that the kernel gives back when its holder ends, however that happens. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { check, sys } from "../../ffi/libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const EAGAIN = -11;

export class Lock implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws Error when another process holds it */
  static acquire(path: string, what: string): Lock {
    // "a": the holder's pid in it must survive a failed attempt.
    const fd = openSync(path, "a", 0o600);
    const result = sys("flock", fd, LOCK_EX | LOCK_NB);
    if (result === EAGAIN) {
      closeSync(fd);
      const holder = readFileSync(path, "utf8").trim();
      throw new Error(`another daemon${holder ? ` (pid ${holder})` : ""} uses ${what}`);
    }
    check(result, `lock ${path}`);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
    return new Lock(fd);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
