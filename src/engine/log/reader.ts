/**
 * Reads a container's json-file log for the daemon: `docker logs` with all its choices. Follows across rotations
 * and a writer that is replaced; one reader never holds up another, nor the writer.
 */
import { closeSync, fstatSync, openSync, statSync, watch } from "node:fs";
import { EntryReader, type LogEntry, tailOffset } from "./entries.ts";
import { FRAME_HEADER, writeFrameHeader } from "./frame.ts";
import { parseTime, rfc3339NanoFixed } from "./time.ts";

export interface LogQuery {
  stdout: boolean;
  stderr: boolean;
  /** Entries from the end; negative: all. */
  tail: number;
  /** Nanoseconds since the epoch. */
  since?: bigint;
  until?: bigint;
  timestamps?: boolean;
  details?: boolean;
  /** Raw bytes when true; 8-byte-header frames when not. */
  tty: boolean;
  /** Goes on with what is written later, until `ended` resolves (the container ended) and all is read. */
  follow?: { ended: Promise<unknown> };
  /** Aborted when the client is gone. */
  signal?: AbortSignal;
}

/** The log as the client shall get it. A log that does not exist (yet) is empty. */
export async function* readLog(path: string, query: LogQuery): AsyncGenerator<Uint8Array> {
  using files = new LogChain(path, query.tail);
  using changes = query.follow === undefined ? undefined : new Changes(path, query);
  let ended = false;
  let foundAt = 0;
  for (;;) {
    if (query.signal?.aborted) return;
    const entries = files.next();
    if (entries.length > 0) {
      foundAt = performance.now();
      const { bytes, past } = render(entries, query);
      if (bytes.length > 0) yield bytes;
      if (past) return;
      continue;
    }
    if (changes === undefined || ended) return;
    // The end is known before the file is read for the last time: nothing is written after it.
    ended = (await changes.wait(performance.now() - foundAt < LIVELY_MS)) === "ended";
  }
}

/** Frames of all entries that the query wants; `past` when one was later than `until`. */
function render(entries: LogEntry[], query: LogQuery): { bytes: Buffer; past: boolean } {
  const parts: [LogEntry, string][] = [];
  let past = false;
  let room = 0;
  const timed = query.since !== undefined || query.until !== undefined || query.timestamps === true;
  for (const entry of entries) {
    const time = timed ? (parseTime(entry.time) ?? 0n) : 0n;
    if (query.since !== undefined && time < query.since) continue;
    if (query.until !== undefined && time > query.until) {
      past = true;
      break;
    }
    if (!(entry.stream === "stdout" ? query.stdout : query.stderr)) continue;
    // No log options add attributes yet, so the details are empty; their blank is there all the same.
    let text = query.details ? ` ${entry.log}` : entry.log;
    if (query.timestamps) text = `${rfc3339NanoFixed(time)} ${text}`;
    room += FRAME_HEADER + text.length * 3;
    parts.push([entry, text]);
  }
  const bytes = Buffer.allocUnsafe(room);
  let at = 0;
  for (const [entry, text] of parts) {
    const start = query.tty ? at : at + FRAME_HEADER;
    const length = bytes.write(text, start, "utf8");
    if (!query.tty) writeFrameHeader(bytes, at, entry.stream, length);
    at = start + length;
  }
  return { bytes: bytes.subarray(0, at), past };
}

/** The files of one log, oldest first: `path.2`, `path.1`, `path`. Each is known by its inode once it is open. */
class LogChain {
  readonly #path: string;
  #reader: EntryReader | undefined;
  #inode = 0;

  constructor(path: string, tail: number) {
    this.#path = path;
    if (tail < 0) {
      let oldest = 0;
      while (inodeOf(this.#name(oldest + 1)) !== 0) oldest++;
      this.#open(oldest, 0);
      return;
    }
    let wanted = tail;
    for (let n = 0; ; n++) {
      if (!this.#open(n, 0)) {
        // Fewer lines than wanted: begin with the oldest file that there is.
        if (n > 0) this.#open(n - 1, 0);
        return;
      }
      const { at, lines } = tailOffset(this.#reader!.fd, wanted);
      if (lines >= wanted) {
        this.#reader = new EntryReader(this.#reader!.fd, at);
        return;
      }
      wanted -= lines;
    }
  }

  next(): LogEntry[] {
    if (this.#reader === undefined && !this.#open(0, 0)) return [];
    const entries = this.#reader!.next();
    if (entries.length > 0 || inodeOf(this.#path) === this.#inode) return entries;
    // This one was rotated away: read what came before that, then go on with the next younger.
    const last = this.#reader!.next();
    if (last.length > 0) return last;
    let n = 1;
    while (inodeOf(this.#name(n)) !== this.#inode && inodeOf(this.#name(n)) !== 0) n++;
    // Removed altogether by fast rotation: the oldest of the rest follows.
    return this.#open(n - 1, 0) ? this.#reader!.next() : [];
  }

  [Symbol.dispose](): void {
    if (this.#reader !== undefined) closeSync(this.#reader.fd);
    this.#reader = undefined;
  }

  #name(n: number): string {
    return n === 0 ? this.#path : `${this.#path}.${n}`;
  }

  #open(n: number, at: number): boolean {
    let fd: number;
    try {
      fd = openSync(this.#name(n), "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
    if (this.#reader !== undefined) closeSync(this.#reader.fd);
    this.#inode = fstatSync(fd).ino;
    this.#reader = new EntryReader(fd, at);
    return true;
  }
}

function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

const LOOK_AGAIN_MS = 5;
const LIVELY_MS = 50;

/** Waits for the log to change, the container to end, the client to go, or `until` to pass. */
class Changes {
  readonly #close: () => void;
  #changed = false;
  #ended = false;
  #wake = () => {};

  constructor(path: string, query: LogQuery) {
    const poke = () => {
      this.#changed = true;
      this.#wake();
    };
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    // The folder, not the file: it may not exist yet, and be rotated. Where inotify has no room left, the timer does.
    let watcher: { close(): void } | undefined;
    try {
      watcher = watch(path.slice(0, path.lastIndexOf("/")), poke).on("error", () => {});
    } catch {}
    const timer = setInterval(poke, watcher ? 1000 : 100);
    query.follow?.ended.then(end, end);
    query.signal?.addEventListener("abort", end);
    const left = query.until === undefined ? undefined : Number(query.until / 1_000_000n) - Date.now();
    const deadline =
      left === undefined ? undefined : setTimeout(end, Math.min(Math.max(left, 0) + 10, 2 ** 31 - 1));
    this.#close = () => {
      watcher?.close();
      clearInterval(timer);
      clearTimeout(deadline);
      query.signal?.removeEventListener("abort", end);
    };
  }

  /** `soon`: there was something just now. Bun drops a change that comes within 1 ms of another, so look again. */
  async wait(soon: boolean): Promise<"changed" | "ended"> {
    if (!this.#changed && !this.#ended) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (soon) timer = setTimeout(resolve, LOOK_AGAIN_MS);
      });
      clearTimeout(timer);
    }
    this.#changed = false;
    return this.#ended ? "ended" : "changed";
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
