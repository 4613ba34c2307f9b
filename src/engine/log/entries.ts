/** Reads the entries of one log file, from a place on, a block at a time; a torn last line is not there yet. */
import { fstatSync, readSync } from "node:fs";
import type { StreamName } from "./frame.ts";

const NEWLINE = 10;
const BLOCK = 256 * 1024;

export interface LogEntry {
  stream: StreamName;
  /** RFC 3339, as it is in the file. */
  time: string;
  /** With its newline, unless it is a piece of a longer line. */
  log: string;
  /** What the log's options add to each line: labels, variables, a tag. */
  attrs?: Readonly<Record<string, string>>;
}

export class EntryReader {
  readonly fd: number;
  #at: number;
  #block = Buffer.alloc(0);

  constructor(fd: number, at: number) {
    this.fd = fd;
    this.#at = at;
  }

  /** The next whole entries; empty at the end of what is there now. */
  next(): LogEntry[] {
    for (let room = BLOCK; ; room *= 2) {
      if (this.#block.length < room) this.#block = Buffer.allocUnsafe(room);
      const length = readSync(this.fd, this.#block, 0, room, this.#at);
      const end = length === 0 ? -1 : this.#block.lastIndexOf(NEWLINE, length - 1);
      if (end >= 0 && end < length) {
        this.#at += end + 1;
        return parseLines(this.#block.toString("utf8", 0, end));
      }
      if (length < room) {
        // A file that became shorter was truncated by someone (`: > x-json.log`): go on at its beginning.
        if (length === 0 && fstatSync(this.fd).size < this.#at) this.#at = 0;
        return [];
      }
    }
  }
}

function parseLines(text: string): LogEntry[] {
  const entries: LogEntry[] = [];
  for (const line of text.split("\n")) {
    const entry = parseEntry(line);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

/** Undefined for what is no entry: a hole after a crash of the machine, say. It is skipped as Docker skips it. */
export function parseEntry(line: string): LogEntry | undefined {
  try {
    const { log, stream, time, attrs } = JSON.parse(line) as Partial<LogEntry>;
    if (typeof log !== "string" || typeof time !== "string") return undefined;
    const entry: LogEntry = { log, time, stream: stream === "stderr" ? "stderr" : "stdout" };
    if (attrs !== undefined) entry.attrs = attrs;
    return entry;
  } catch {
    return undefined;
  }
}

/**
 * Where the last `count` lines of the file begin, and how many there were (fewer in a shorter file). A torn last
 * line does not count.
 */
export function tailOffset(fd: number, count: number): { at: number; lines: number } {
  let end = fstatSync(fd).size;
  const block = Buffer.allocUnsafe(64 * 1024);
  let newlines = 0;
  while (end > 0) {
    const start = Math.max(0, end - block.length);
    const length = readSync(fd, block, 0, end - start, start);
    if (length === 0) break;
    for (let at = block.lastIndexOf(NEWLINE, length - 1); at >= 0; ) {
      // The newline before the first wanted line is the one after which it begins.
      if (newlines === count) return { at: start + at + 1, lines: count };
      newlines++;
      at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1);
    }
    end = start;
  }
  return { at: 0, lines: newlines };
}
