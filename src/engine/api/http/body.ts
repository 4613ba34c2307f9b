/** Takes a request's body out of a connection's bytes. @source RFC 9112, sections 6 and 7.1 */
import { BadRequest, type BodyLength } from "./head.ts";

const LINE_FEED = 10;
/** A chunk's size with its extensions; a line of the trailer. Both are dropped but for the size. */
const MAX_LINE = 8 * 1024;
const MAX_TRAILER = 64 * 1024;

type State = "data" | "size" | "data end" | "trailer" | "done";

/** Of a chunk's size, in Go's words. */
function mistakeOf(line: string): string {
  const [digits = ""] = /^[^;\s]*/.exec(line) ?? [];
  if (line === "") return "empty hex number for chunk length";
  return /^[0-9a-fA-F]+$/.test(digits) ? "http chunk length too large" : "invalid byte in chunk length";
}

export class BodyReader {
  readonly #chunked: boolean;
  #state: State;
  /** Of the body, or of this chunk. */
  #left: number;
  #line = "";
  #trailer = 0;

  constructor(length: BodyLength) {
    this.#chunked = length === "chunked";
    this.#left = length === "chunked" ? 0 : length;
    this.#state = this.#chunked ? "size" : this.#left > 0 ? "data" : "done";
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /**
   * Gives the body's pieces, which are the caller's bytes still, to `take`.
   * @returns how many bytes were the body's
   * @throws BadRequest
   */
  push(bytes: Buffer, take: (piece: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const piece = bytes.subarray(at, at + this.#left);
        this.#left -= piece.length;
        at += piece.length;
        if (this.#left === 0) this.#state = this.#chunked ? "data end" : "done";
        take(piece);
        continue;
      }
      const end = bytes.indexOf(LINE_FEED, at);
      this.#line += bytes.toString("latin1", at, end < 0 ? bytes.length : end);
      if (this.#line.length > MAX_LINE) throw new BadRequest(400, "malformed chunked encoding");
      if (end < 0) return bytes.length;
      at = end + 1;
      const line = this.#line;
      this.#line = "";
      if (!line.endsWith("\r")) throw new BadRequest(400, "malformed chunked encoding");
      this.#take(line.slice(0, -1));
    }
    return at;
  }

  #take(line: string): void {
    if (this.#state === "size") {
      const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;|$)/.exec(line);
      if (!size) throw new BadRequest(400, mistakeOf(line));
      this.#left = Number.parseInt(size[1]!, 16);
      this.#state = this.#left === 0 ? "trailer" : "data";
    } else if (this.#state === "data end") {
      if (line !== "") throw new BadRequest(400, "malformed chunked encoding");
      this.#state = "size";
    } else if (line === "") {
      this.#state = "done";
    } else {
      this.#trailer += line.length;
      if (this.#trailer > MAX_TRAILER) throw new BadRequest(431, "the trailer is too long");
      if (!/^[^:\s]+:/.test(line)) throw new BadRequest(400, "malformed trailer");
    }
  }
}
