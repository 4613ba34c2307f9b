/** One client's connection: requests one after the other, until one is upgraded or the client has had enough. */
import type { ByteStream } from "../../services.ts";
import { streamOf } from "../call.ts";
import { SERVER_HEADERS } from "../headers.ts";
import { routedPath } from "../version.ts";
import { Ahead } from "./ahead.ts";
import { BodyReader } from "./body.ts";
import { BadRequest, type RequestHead, readHead } from "./head.ts";
import { IncomingBody } from "./incoming.ts";
import { RawStream } from "./raw.ts";
import { statusLine } from "./status.ts";
import type { Wire } from "./wire.ts";

export interface Api {
  handle(request: Request): Promise<Response>;
  /** Takes the connection over when the request is for a raw stream; false leaves it to `handle`. */
  upgrade(request: Request, socket: RawStream): boolean;
  /** Told of what went wrong in the midst of an answer, where there is no place for it. */
  failed?(error: unknown, request?: Request): void;
}

type RequestBody = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;

const NOTHING = Buffer.alloc(0);
/** Sent ahead of the answer to the request before; then it waits in the kernel. */
const MAX_AHEAD = 64 * 1024;
/** An upgrade's body is a few options. */
const MAX_UPGRADE_BODY = 64 * 1024;
/** How long a client may take over a head, from its first byte, or from the connection's start: as dockerd. */
const HEAD_MS = 5 * 60_000;
/** How long a client may take to close after an answer that ends the connection. */
const LINGER_MS = 10_000;

const encoder = new TextEncoder();
const COMMON = Object.entries(SERVER_HEADERS)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join("");

let second = 0;
let date = "";
function dateHeader(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    date = `Date: ${new Date(now * 1000).toUTCString()}\r\n`;
  }
  return date;
}

export class HttpConnection {
  readonly #wire: Wire;
  readonly #api: Api;
  readonly #headMs: number;
  /** Of the next requests. */
  readonly #ahead = new Ahead();
  /** How much of it was looked at for a head's end already. */
  #searched = 0;
  /** Waits for a head. */
  #patience: ReturnType<typeof setTimeout> | undefined;
  #incoming: IncomingBody | undefined;
  #raw: RawStream | undefined;
  #busy = false;
  /** Nothing more is read: what comes is dropped. */
  #over = false;
  /** The client ended its side. */
  #left = false;
  #gone: AbortController | undefined;

  constructor(wire: Wire, api: Api, headMs = HEAD_MS) {
    this.#wire = wire;
    this.#api = api;
    this.#headMs = headMs;
    this.#awaitHead();
  }

  #awaitHead(): void {
    if (this.#patience !== undefined) return;
    const giveUp = () => this.#refuse(new BadRequest(408, "the request's head did not come"));
    this.#patience = setTimeout(giveUp, this.#headMs);
    this.#patience.unref();
  }

  /** The bytes are the caller's again. */
  received(bytes: Buffer): void {
    const raw = this.#raw;
    if (raw !== undefined) {
      raw.received(bytes);
      return;
    }
    if (this.#over) return;
    let rest = this.#ahead.take(bytes);
    try {
      while (rest.length > 0 && !this.#over) {
        const used = this.#incoming === undefined ? this.#begin(rest) : this.#incoming.push(rest);
        if (used === 0) break;
        rest = rest.subarray(used);
        if (this.#incoming?.complete) this.#incoming = undefined;
        if (this.#upgraded(rest)) return;
      }
    } catch (error) {
      if (this.#incoming !== undefined && error instanceof BadRequest) this.#spoiled(error);
      else this.#refuse(error);
      return;
    }
    if (this.#over) return;
    this.#ahead.keep(rest);
    if (rest.length === 0) return;
    if (!this.#busy) this.#awaitHead();
    else if (rest.length > MAX_AHEAD) this.#wire.socket.pause();
  }

  /** What comes is no body: whoever reads it says so, and the answer is the connection's last. */
  #spoiled(error: BadRequest): void {
    this.#over = true;
    this.#incoming?.cut(error);
    if (!this.#busy) this.#end();
  }

  /** The first bytes of the raw stream may come with the request. */
  #upgraded(rest: Buffer): boolean {
    if (this.#raw !== undefined && rest.length > 0) this.#raw.received(rest);
    return this.#raw !== undefined;
  }

  /** The client ended its side, or all of it: it does not wait for an answer, as Go's server sees it. */
  ended(): void {
    if (this.#raw !== undefined) this.#raw.ended();
    else {
      this.#gone?.abort();
      this.#incoming?.cut();
      this.#over = this.#left = true;
      if (!this.#busy) this.#wire.socket.end();
    }
  }

  closed(): void {
    this.#wire.closed();
    this.#over = true;
    clearTimeout(this.#patience);
    this.#gone?.abort();
    this.#incoming?.cut();
    this.#raw?.hungUp();
  }

  /** Starts with a request whose head is there; 0 when it has to wait. */
  #begin(bytes: Buffer): number {
    if (this.#busy) return 0;
    const read = readHead(bytes, this.#searched);
    this.#searched = read === undefined ? bytes.length : 0;
    if (read === undefined) return 0;
    const { head, size } = read;
    if (head.upgrade) {
      if (head.length === "chunked" || head.length > MAX_UPGRADE_BODY)
        throw new BadRequest(413, "an upgrade's body is short and has a length");
      // What follows the body is the stream.
      if (bytes.length < size + head.length) return 0;
    }
    this.#busy = true;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (head.upgrade) {
      const whole = size + (head.length as number);
      this.#upgrade(head, bytes.subarray(size, whole));
      return whole;
    }
    if (head.length !== "chunked" && bytes.length >= size + head.length) {
      // All of it is there, as nearly always.
      const body = head.length === 0 ? null : new Uint8Array(bytes.subarray(size, size + head.length));
      void this.#serve(head, body);
      return size + head.length;
    }
    const incoming = new IncomingBody(new BodyReader(head.length), {
      pause: () => this.#wire.socket.pause(),
      resume: () => this.#wire.socket.resume(),
      wanted: () => head.expectsContinue && this.#wire.write(encoder.encode("HTTP/1.1 100 Continue\r\n\r\n")),
    });
    this.#incoming = incoming;
    void this.#serve(head, incoming.stream);
    return size;
  }

  #upgrade(head: RequestHead, body: Buffer): void {
    const raw = new RawStream(this.#wire);
    raw.on("error", () => raw.destroy());
    const gone = new AbortController();
    raw.on("close", () => gone.abort());
    const bytes = body.length === 0 ? null : new Uint8Array(body);
    if (this.#api.upgrade(toRequest(head, gone.signal, bytes), raw)) this.#raw = raw;
    else void this.#serve(head, bytes);
  }

  async #serve(head: RequestHead, body: RequestBody): Promise<void> {
    const gone = new AbortController();
    this.#gone = gone;
    let ends = !head.keepAlive;
    let request: Request | undefined;
    try {
      request = toRequest(head, gone.signal, body);
      const answer = await this.#api.handle(request);
      const content = streamOf(answer);
      // A client that waits to be asked for its body has not sent it, and may or may not.
      ends ||= this.#over || (head.expectsContinue && this.#incoming?.unread === true);
      if (content === undefined) await this.#send(head, answer, ends);
      else {
        ends ||= !head.chunks;
        await this.#stream(head, answer, content, { ends, signal: gone.signal });
      }
    } catch (error) {
      if (!gone.signal.aborted) this.#api.failed?.(error, request);
      // The status is out already: only a cut connection tells the client that the answer is not whole.
      this.#wire.socket.terminate();
      return;
    } finally {
      this.#gone = undefined;
      this.#busy = false;
    }
    this.#incoming?.drop();
    if (ends || this.#over) {
      this.#end();
      return;
    }
    this.#wire.socket.resume();
    if (this.#ahead.size > 0) this.received(NOTHING);
  }

  async #send(request: RequestHead, answer: Response, ends: boolean): Promise<void> {
    const body = new Uint8Array(await answer.arrayBuffer());
    const bare = answer.status === 204 || answer.status === 304;
    const length = bare || answer.headers.has("content-length") ? "" : `Content-Length: ${body.length}\r\n`;
    const head = Buffer.from(`${headText(answer, request, ends)}${length}\r\n`, "latin1");
    const whole = bare || request.method === "HEAD" || body.length === 0 ? head : Buffer.concat([head, body]);
    if (!this.#wire.write(whole)) await this.#wire.drained();
  }

  /** Headers go out at once, then all of `content`, no faster than the client takes it. */
  async #stream(
    request: RequestHead,
    answer: Response,
    content: ByteStream,
    { ends, signal }: { ends: boolean; signal: AbortSignal },
  ): Promise<void> {
    const { method, chunks } = request;
    const framing = chunks ? "Transfer-Encoding: chunked\r\n" : "";
    this.#wire.write(Buffer.from(`${headText(answer, request, ends)}${framing}\r\n`, "latin1"));
    const iterator = content[Symbol.asyncIterator]();
    const aborted = new Promise<"aborted">((resolve) => {
      if (signal.aborted) resolve("aborted");
      else signal.addEventListener("abort", () => resolve("aborted"), { once: true });
    });
    try {
      while (method !== "HEAD") {
        const next = await Promise.race([iterator.next(), aborted]);
        if (next === "aborted" || next.done) break;
        const bytes = next.value as Uint8Array;
        if (bytes.length === 0) continue;
        if (!this.#wire.write(chunks ? chunk(bytes) : bytes)) await this.#wire.drained();
      }
    } finally {
      // Not awaited: a generator that waits for its next item would only return after it.
      if (signal.aborted || method === "HEAD") void Promise.resolve(iterator.return?.()).catch(() => {});
    }
    if (chunks && method !== "HEAD" && !signal.aborted) this.#wire.write(encoder.encode("0\r\n\r\n"));
  }

  #refuse(error: unknown): void {
    this.#over = true;
    this.#incoming?.cut();
    if (!(error instanceof BadRequest)) this.#api.failed?.(error);
    const status = error instanceof BadRequest ? error.status : 500;
    const told = error instanceof BadRequest && error.told !== "" ? `: ${error.told}` : "";
    const line = `${statusLine(status).slice(0, -2)}${told}\r\n`;
    const text = line.slice("HTTP/1.1 ".length, -2);
    const head = `${line}Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n`;
    // In the middle of an answer there is no place for another.
    if (this.#busy) this.#wire.socket.terminate();
    else {
      this.#wire.write(encoder.encode(`${head}Content-Length: ${text.length}\r\n\r\n${text}`));
      this.#end();
    }
  }

  /** What the client still sends is read away: closing over unread bytes would reset its reading. */
  #end(): void {
    this.#over = true;
    this.#ahead.keep(NOTHING);
    clearTimeout(this.#patience);
    if (!this.#wire.open) return;
    if (this.#left) {
      void this.#wire.drained().then(() => this.#wire.socket.end());
      return;
    }
    this.#wire.finish();
    this.#wire.socket.resume();
    setTimeout(() => this.#wire.open && this.#wire.socket.end(), LINGER_MS).unref();
  }
}

/** Who speaks HTTP/1.0 is told of what is not the rule there: as by Go's server, that the connection stays. */
function headText(answer: Response, { chunks: isNew }: RequestHead, ends: boolean): string {
  const line = statusLine(answer.status);
  let text = (isNew ? line : line.replace("HTTP/1.1", "HTTP/1.0")) + COMMON + dateHeader();
  for (const [name, value] of answer.headers) text += `${name}: ${value}\r\n`;
  if (ends !== isNew) return text;
  return `${text}Connection: ${ends ? "close" : "keep-alive"}\r\n`;
}

function chunk(bytes: Uint8Array): Buffer {
  const size = Buffer.from(`${bytes.length.toString(16)}\r\n`, "latin1");
  const whole = Buffer.allocUnsafe(size.length + bytes.length + 2);
  whole.set(size);
  whole.set(bytes, size.length);
  whole.write("\r\n", size.length + bytes.length, "latin1");
  return whole;
}

/** Elysia looks for the path from the 12th character on, so the host may not be shorter. */
function toRequest(head: RequestHead, signal: AbortSignal, body: RequestBody): Request {
  // A target may be a whole URL: every server has to take it (RFC 9112, section 3.2.2).
  const target = head.target.replace(/^https?:\/\/[^/?]*/i, "");
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  const { method, headers } = head;
  return new Request(`http://localhost${routedPath(path)}${question < 0 ? "" : target.slice(question)}`, {
    method,
    headers,
    signal,
    body: method === "GET" || method === "HEAD" ? null : body,
  });
}
