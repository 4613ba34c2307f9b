/** One daemon for each root: a lock that the kernel gives back when its holder ends, however that happens. */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tryLock } from "../../ffi/poll.ts";
import { reasonOf } from "../reason.ts";
import { isDaemon } from "./pidfile.ts";

/** Milliseconds for the child that a killed holder was just about to execute: until then it holds the lock, too. */
const PATIENCE = 2000;

export class Lock implements Disposable {
  readonly #fd: number;
  readonly #path: string;
  readonly #made: boolean;

  private constructor(path: string, { fd, made }: Opened) {
    this.#path = path;
    this.#fd = fd;
    this.#made = made;
  }

  /** @throws Error when another process holds it */
  static async acquire(path: string, what: string): Promise<Lock> {
    for (;;) {
      const opened = open(path, what);
      try {
        await lock(path, opened.fd, what);
        if (isAt(path, opened.fd)) {
          ftruncateSync(opened.fd);
          writeSync(opened.fd, `${process.pid}\n`);
          return new Lock(path, opened);
        }
      } catch (error) {
        closeSync(opened.fd);
        throw error;
      }
      // A start that was refused has taken its file away meanwhile.
      closeSync(opened.fd);
    }
  }

  /** Before it is given back: what was not there is not there again. */
  remove(): void {
    if (this.#made) unlinkSync(this.#path);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

interface Opened {
  fd: number;
  /** The file was not there. */
  made: boolean;
}

/** To append: the holder's pid in it must survive a failed attempt. */
function open(path: string, what: string): Opened {
  try {
    const made = !existsSync(path);
    return { fd: openSync(path, "a", 0o600), made };
  } catch (error) {
    throw new Error(`could not lock ${what}: ${reasonOf(error)}`, { cause: error });
  }
}

function holderOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    // A start that is refused has just taken it away.
    return "";
  }
}

async function lock(path: string, fd: number, what: string): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!tryLock(fd)) {
    const holder = holderOf(path);
    if (isDaemon(Number(holder)) || performance.now() > end) {
      throw new Error(`another daemon${holder ? ` (pid ${holder})` : ""} uses ${what}`);
    }
    await Bun.sleep(10);
  }
}

const isAt = (path: string, fd: number): boolean =>
  statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
