/** Reading HTTP/1.1 answers from a byte stream, as it comes. */

export interface Head {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

type Handler = (bytes: Uint8Array) => void;

const NOTHING: Uint8Array = new Uint8Array(0);

/** An answer's body. Bytes that come before anyone reads are kept. */
export class Body {
  #kept: Uint8Array[] = [];
  #handler: Handler | undefined;
  #ended = false;
  readonly #finish = Promise.withResolvers<boolean>();
  /** Resolves at the end, to whether the connection may carry another call; rejects when it was cut off. */
  readonly done = this.#finish.promise;

  constructor() {
    this.done.catch(() => {});
  }

  /** Calls for every piece, in order, until the end. The pieces are not kept: copy what must stay. */
  each(handler: Handler): Promise<boolean> {
    const kept = this.#kept;
    this.#kept = [];
    for (const bytes of kept) handler(bytes);
    this.#handler = handler;
    return this.done;
  }

  /** Asks the connection to hold back while a slow reader catches up. */
  throttle: (paused: boolean) => void = () => {};

  /** The pieces for a reader that takes its time; the daemon waits for it. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    const queue: Uint8Array[] = [];
    let wake = (): void => {};
    let state: "open" | "ended" | Error = "open";
    this.each((bytes) => {
      queue.push(bytes.slice());
      if (queue.length > 16) this.throttle(true);
      wake();
    }).then(
      () => {
        state = "ended";
        wake();
      },
      (error: Error) => {
        state = error;
        wake();
      },
    );
    for (;;) {
      const piece = queue.shift();
      if (piece) {
        if (queue.length === 0) this.throttle(false);
        yield piece;
      } else if (state !== "open") {
        if ((state as string | Error) instanceof Error) throw state;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  async bytes(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    await this.each((bytes) => pieces.push(bytes));
    // The first look at `Buffer` takes a quarter of a millisecond.
    if (pieces.length === 0) return NOTHING;
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** Calls for every line that is not empty: the form of the API's streams of JSON values. */
  async eachLine(handler: (line: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    await this.each((bytes) => {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) if (line.trim() !== "") handler(line);
    });
    if (rest.trim() !== "") handler(rest);
  }

  push(bytes: Uint8Array): void {
    if (this.#handler) this.#handler(bytes);
    else this.#kept.push(bytes);
  }

  end(reusable: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#finish.resolve(reusable);
  }

  fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#finish.reject(error);
  }
}

/** Where the empty line begins; -1 when it is not there yet. */
function headEnd(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1))
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  return -1;
}

type State =
  | "idle"
  | "head"
  | "length"
  | "until-close"
  | "chunk-size"
  | "chunk-data"
  | "chunk-end"
  | "trailer";

export class Decoder {
  #state: State = "idle";
  #rest = NOTHING;
  #left = 0;
  #head = false;
  #keep = true;
  #body!: Body;
  #onHead: (head: Head, body: Body) => void = () => {};

  expect(bodiless: boolean, onHead: (head: Head, body: Body) => void): void {
    this.#state = "head";
    this.#head = bodiless;
    this.#onHead = onHead;
    this.#body = new Body();
  }

  push(bytes: Uint8Array): void {
    let at = bytes;
    if (this.#rest.length > 0) {
      at = Buffer.concat([this.#rest, bytes]);
      this.#rest = NOTHING;
    }
    while (at.length > 0) {
      const used = this.#step(at);
      if (used < 0) {
        this.#rest = at.slice();
        return;
      }
      at = at.subarray(used);
    }
  }

  /** The connection ended; says whether that was a proper end of the answer. */
  end(): boolean {
    if (this.#state === "until-close") this.#body.end(false);
    else if (this.#state !== "idle") {
      this.#body.fail(new Error("unexpected EOF"));
      return false;
    }
    return true;
  }

  /** Handles what it can; the number of bytes used, or -1 when more are needed first. */
  #step(bytes: Uint8Array): number {
    switch (this.#state) {
      case "idle":
        return bytes.length;
      case "head":
        return this.#readHead(bytes);
      case "until-close":
        this.#body.push(bytes);
        return bytes.length;
      case "length":
      case "chunk-data": {
        const piece = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
        this.#left -= piece.length;
        if (this.#left === 0) {
          const whole = this.#state === "length";
          this.#state = whole ? "idle" : "chunk-end";
          this.#body.push(piece);
          if (whole) this.#body.end(this.#keep);
        } else this.#body.push(piece);
        return piece.length;
      }
      case "chunk-end":
      case "chunk-size":
      case "trailer": {
        const end = bytes.indexOf(10);
        if (end < 0) return -1;
        const line = new TextDecoder().decode(bytes.subarray(0, end)).trim();
        if (this.#state === "chunk-end") this.#state = "chunk-size";
        else if (this.#state === "chunk-size") {
          this.#left = Number.parseInt(line, 16);
          if (Number.isNaN(this.#left)) throw new Error("malformed chunked encoding");
          this.#state = this.#left === 0 ? "trailer" : "chunk-data";
        } else if (line === "") {
          this.#state = "idle";
          this.#body.end(this.#keep);
        }
        return end + 1;
      }
    }
  }

  #readHead(bytes: Uint8Array): number {
    const end = headEnd(bytes);
    if (end < 0) {
      if (bytes.length > 1 << 20) throw new Error("the answer's head is too long");
      return -1;
    }
    const lines = new TextDecoder().decode(bytes.subarray(0, end)).split("\r\n");
    const first = lines[0] as string;
    const code = Number(first.slice(9, 12));
    if (!(first.startsWith("HTTP/1.1 ") || first.startsWith("HTTP/1.0 ")) || !(code >= 100))
      throw new Error("malformed HTTP response");
    if (code >= 100 && code < 200 && code !== 101) return end + 4;
    const headers = new Map<string, string>();
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(":");
      if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.#keep = headers.get("connection")?.toLowerCase() !== "close";
    const length = headers.get("content-length");
    if (code === 101) this.#state = "until-close";
    else if (this.#head || code === 204 || code === 304) this.#state = "idle";
    else if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") this.#state = "chunk-size";
    else if (length !== undefined) {
      this.#left = Number(length);
      this.#state = this.#left === 0 ? "idle" : "length";
    } else this.#state = "until-close";
    const done = this.#state === "idle";
    this.#onHead({ status: code, headers }, this.#body);
    if (done) this.#body.end(this.#keep);
    return end + 4;
  }
}
