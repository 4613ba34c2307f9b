/**
 * Reads a container's json-file log for the daemon: `docker logs` with all its choices. Follows across rotations
 * and a writer that is replaced; one reader never holds up another, nor the writer.
 */
import { closeSync, fstatSync, openSync, statSync, watch } from "node:fs";
import { decompressLog, madeOf } from "./compressed.ts";
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
  using files = await LogChain.open(path, query.tail);
  using changes = query.follow === undefined ? undefined : new Changes(path, query);
  let ended = false;
  let foundAt = 0;
  for (;;) {
    if (query.signal?.aborted) return;
    const entries = await files.next();
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
    let text = query.details ? `${detailsOf(entry)} ${entry.log}` : entry.log;
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

/** `name=value,…`, each as in a query of a URL; without any, its blank is there all the same. */
function detailsOf({ attrs = {} }: LogEntry): string {
  const names = Object.keys(attrs).sort();
  return names.map((name) => `${queryEscape(name)}=${queryEscape(attrs[name]!)}`).join(",");
}

/** As Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

/**
 * The files of one log, oldest first: `path.2.gz`, `path.1`, `path`. Each is known by its inode once it is open,
 * a compressed one by that of what it was made of too.
 */
class LogChain {
  readonly #path: string;
  #reader: EntryReader | undefined;
  /** What the reader's place is known by: of a compressed file, not of its decompressed copy. */
  #known: { inode: number; compressed: number | undefined } = { inode: 0, compressed: undefined };

  private constructor(path: string) {
    this.#path = path;
  }

  /** At the last `tail` entries; negative: at the first of all. */
  static async open(path: string, tail: number): Promise<LogChain> {
    const chain = new LogChain(path);
    try {
      await chain.#begin(tail);
    } catch (error) {
      chain[Symbol.dispose]();
      throw error;
    }
    return chain;
  }

  async #begin(tail: number): Promise<void> {
    if (tail < 0) {
      let oldest = 0;
      while (this.#there(oldest + 1)) oldest++;
      await this.#open(oldest);
      return;
    }
    let wanted = tail;
    for (let n = 0; ; n++) {
      const opened = this.#open(n);
      if (opened !== true && !(await opened)) {
        // Fewer lines than wanted: begin with the oldest file that there is.
        if (n > 0) await this.#open(n - 1);
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

  async next(): Promise<LogEntry[]> {
    if (this.#reader === undefined && !(await this.#open(0))) return [];
    const entries = this.#reader!.next();
    if (entries.length > 0 || this.#isOpen(0)) return entries;
    // This one was rotated away: read what came before that, then go on with the next younger.
    const last = this.#reader!.next();
    if (last.length > 0) return last;
    let n = 1;
    while (!this.#isOpen(n) && this.#there(n)) n++;
    // Removed altogether by fast rotation: the oldest of the rest follows.
    return (await this.#open(n - 1)) ? this.#reader!.next() : [];
  }

  [Symbol.dispose](): void {
    if (this.#reader !== undefined) closeSync(this.#reader.fd);
    this.#reader = undefined;
    if (this.#known.compressed !== undefined) closeSync(this.#known.compressed);
    this.#known = { inode: 0, compressed: undefined };
  }

  #name(n: number): string {
    return n === 0 ? this.#path : `${this.#path}.${n}`;
  }

  #there(n: number): boolean {
    return inodeOf(this.#name(n)) !== 0 || inodeOf(`${this.#name(n)}.gz`) !== 0;
  }

  /** Whether the n-th is what is being read, or was made of that. */
  #isOpen(n: number): boolean {
    const { inode, compressed } = this.#known;
    if (compressed !== undefined) return inodeOf(`${this.#name(n)}.gz`) === inode;
    if (inodeOf(this.#name(n)) === inode) return true;
    const fd = n === 0 ? undefined : openThere(`${this.#name(n)}.gz`);
    if (fd === undefined) return false;
    try {
      return madeOf(fd) === inode;
    } finally {
      closeSync(fd);
    }
  }

  /** Without a turn of the loop unless it is compressed: where reading begins is decided when it is asked for. */
  #open(n: number): boolean | Promise<boolean> {
    const plain = openThere(this.#name(n));
    if (plain !== undefined) return this.#take(plain, { inode: fstatSync(plain).ino, compressed: undefined });
    return n > 0 && this.#openCompressed(n);
  }

  async #openCompressed(n: number): Promise<boolean> {
    const compressed = openThere(`${this.#name(n)}.gz`);
    if (compressed === undefined) return false;
    try {
      const fd = await decompressLog(this.#path, compressed);
      return this.#take(fd, { inode: fstatSync(compressed).ino, compressed });
    } catch (error) {
      closeSync(compressed);
      throw error;
    }
  }

  #take(fd: number, known: { inode: number; compressed: number | undefined }): true {
    this[Symbol.dispose]();
    this.#known = known;
    this.#reader = new EntryReader(fd, 0);
    return true;
  }
}

function openThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
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
