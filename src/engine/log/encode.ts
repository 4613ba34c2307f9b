/**
 * Bytes of a container's stream → lines of Docker's json-file format:
 * `{"log":"…\n","stream":"stdout","time":"…"}`. A line longer than 16 KiB becomes several entries of which only
 * the last has the newline, as Docker's copier does it.
 *
 * A million lines must not cost a second, with the JIT or without: so a whole chunk is decoded, escaped and cut
 * by three native calls, not line by line.
 */
import type { StreamName } from "./frame.ts";

/** The longest piece of a line in one entry, in bytes. */
export const MAX_ENTRY = 16 * 1024;

const NEWLINE = 10;
const BACKSLASH = 92;

export interface Encoded {
  /** Whole entries, ready to append. */
  text: string;
  /** The beginning of a line whose end has not come yet; a copy. */
  rest: Buffer;
}

export const NOTHING = Buffer.alloc(0);

/** What stands in every line of a log whose options ask for labels, variables or a tag; empty for none. */
export function encodeAttributes(attributes: Readonly<Record<string, string>> = {}): string {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return "";
  const pairs = names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(attributes[name])}`);
  return `,"attrs":{${pairs.join(",")}}`;
}

/**
 * `carry` is the `rest` of the chunk before; with `last` nothing is held back. `attributes`: what
 * {@link encodeAttributes} gave.
 */
export function encodeChunk(
  carry: Buffer,
  chunk: Buffer,
  stream: StreamName,
  time: string,
  { last = false, attributes = "" } = {},
): Encoded {
  const bytes = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
  const suffix = `","stream":"${stream}"${attributes},"time":"${time}"}\n`;
  let text = "";
  let start = 0;
  // Lines that fit are taken together; one that does not is cut.
  while (start < bytes.length) {
    const window = Math.min(start + MAX_ENTRY, bytes.length - 1);
    let end = bytes.lastIndexOf(NEWLINE, window);
    if (end >= start) {
      // The window ends in whole lines, none of which can be too long; look for more such windows.
      for (let next = end; ; end = next) {
        next = bytes.lastIndexOf(NEWLINE, Math.min(end + 1 + MAX_ENTRY, bytes.length - 1));
        if (next <= end) break;
      }
      text += encodeLines(bytes.subarray(start, end + 1), suffix);
      start = end + 1;
    } else if (bytes.length - start > MAX_ENTRY) {
      const cut = characterBoundary(bytes, start, start + MAX_ENTRY);
      text += encodePiece(bytes.subarray(start, cut), suffix);
      start = cut;
    } else break;
  }
  if (last && start < bytes.length) {
    // A last line without its newline is logged without one.
    text += encodePiece(bytes.subarray(start), suffix);
    start = bytes.length;
  }
  return { text, rest: start === bytes.length ? NOTHING : Buffer.from(bytes.subarray(start)) };
}

/** Whole lines, each with its newline. */
function encodeLines(bytes: Buffer, suffix: string): string {
  if (bytes.includes(BACKSLASH)) {
    // `\n` in the escaped text could then be the end of an escaped backslash and an n.
    const lines = bytes.toString("utf8", 0, bytes.length - 1).split("\n");
    return lines.map((line) => `{"log":${JSON.stringify(`${line}\n`).slice(0, -1)}${suffix}`).join("");
  }
  const escaped = JSON.stringify(bytes.toString("utf8", 0, bytes.length));
  // The last line's own end is cut off (`\n"`) and put back, so that no entry is opened after it.
  return `{"log":${escaped.slice(0, -3).replaceAll("\\n", `\\n${suffix}{"log":"`)}\\n${suffix}`;
}

function encodePiece(bytes: Buffer, suffix: string): string {
  return `{"log":${JSON.stringify(bytes.toString("utf8", 0, bytes.length)).slice(0, -1)}${suffix}`;
}

/** Where to cut at or before `end`, so that no UTF-8 character is torn (Docker tears it). */
function characterBoundary(bytes: Buffer, start: number, end: number): number {
  for (let at = end; at > end - 4 && at > start; at--) {
    if ((bytes[at]! & 0xc0) !== 0x80) return at;
  }
  return end;
}
