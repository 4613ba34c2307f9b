/**
 * HTTP on one listener: ordinary requests go to the router, and what asks for an upgrade gets its raw socket.
 * Nothing is buffered as a whole in either direction.
 */
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
import type { ByteStream } from "../services.ts";
import { streamOf } from "./call.ts";
import { SERVER_HEADERS } from "./headers.ts";
import { routedPath } from "./version.ts";

export interface Api {
  handle(request: Request): Promise<Response>;
  /**
   * Takes the connection over when the request is for a raw stream; false leaves it to `handle`. `body` is set when
   * it was read already; otherwise it comes from `request`.
   */
  upgrade(request: IncomingMessage, url: URL, socket: Duplex, body?: Uint8Array): boolean;
}

export function createServer(api: Api, tls?: https.ServerOptions): http.Server {
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    void serve(api, request, response);
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  // A stream may be silent for days: `wait`, `events` and `logs -f` are ended by their clients.
  server.timeout = 0;
  server.requestTimeout = 0;
  // Clients keep connections in pools, and do not expect them to end between two requests.
  server.keepAliveTimeout = 0;
  server.on("upgrade", async (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
    socket.on("error", () => socket.destroy());
    const body = adopted.has(socket) ? await takeBody(request, socket, head) : undefined;
    if (!api.upgrade(request, urlOf(request), socket, body)) void serveRaw(api, request, socket, body);
  });
  return server;
}

/** Connections that were accepted elsewhere. Bun parses those as Node does: an upgrade's body is not the request's. */
const adopted = new WeakSet<Duplex>();

/** Serves a connection of a listener that is not the server's own: Bun's HTTP server cannot listen on a given fd. */
export function adopt(server: http.Server, socket: Duplex): void {
  adopted.add(socket);
  socket.on("error", () => socket.destroy());
  server.emit("connection", socket);
}

/** The body of a request that offers an upgrade; what follows it stays in the socket. */
async function takeBody(
  { headers }: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
): Promise<Uint8Array | undefined> {
  if (head.length > 0) socket.unshift(head);
  const length = Number(headers["content-length"] ?? 0);
  if (!(length > 0)) return undefined;
  if (length > MAX_UPGRADE_BODY) {
    socket.destroy();
    return undefined;
  }
  for (;;) {
    const body: Uint8Array | null = socket.read(length);
    if (body !== null || socket.readableEnded || socket.destroyed) return body ?? undefined;
    await new Promise<void>((resolve) => {
      for (const event of ["readable", "end", "close"]) socket.once(event, resolve);
    });
  }
}

const MAX_UPGRADE_BODY = 1024 * 1024;

/** Elysia looks for the path from the 12th character on, so the host may not be shorter. */
const urlOf = (request: IncomingMessage): URL => {
  // A target may be a whole URL: every server has to take it (RFC 9112, section 3.2.2).
  const target = (request.url ?? "/").replace(/^https?:\/\/[^/?]*/i, "");
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  return new URL(`http://localhost${routedPath(path)}${question < 0 ? "" : target.slice(question)}`);
};

async function serve(api: Api, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  response.on("error", () => gone.abort());
  request.on("error", () => gone.abort());
  try {
    const answer = await api.handle(toRequest(request, gone.signal));
    const headers: Record<string, string> = { ...SERVER_HEADERS, ...Object.fromEntries(answer.headers) };
    const content = streamOf(answer);
    if (content === undefined) {
      const body = new Uint8Array(await answer.arrayBuffer());
      if (answer.status !== 204 && answer.status !== 304) headers["content-length"] ??= String(body.length);
      response.writeHead(answer.status, headers);
      response.end(body);
    } else {
      response.writeHead(answer.status, headers);
      response.flushHeaders();
      await pump(content, response, gone.signal);
    }
  } catch (error) {
    if (!gone.signal.aborted) console.error(error);
    // The status is out already: only a cut connection tells the client that the answer is not whole.
    response.destroy();
  }
}

/** For a request that offered an upgrade that is not made: the answer is written by hand, then the connection ends. */
async function serveRaw(
  api: Api,
  request: IncomingMessage,
  socket: Duplex,
  body?: Uint8Array,
): Promise<void> {
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  try {
    const answer = await api.handle(toRequest(request, gone.signal, body));
    const headers = { ...SERVER_HEADERS, ...Object.fromEntries(answer.headers), Connection: "close" };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `HTTP/1.1 ${answer.status} ${http.STATUS_CODES[answer.status] ?? ""}\r\n${lines.join("")}\r\n`,
    );
    const content = streamOf(answer);
    if (content === undefined) socket.end(new Uint8Array(await answer.arrayBuffer()));
    else await pump(content, socket, gone.signal);
  } catch {
    socket.destroy();
  }
}

/** Writes all of `content`, no faster than the client takes it, and ends. */
async function pump(content: ByteStream, to: ServerResponse | Duplex, signal: AbortSignal): Promise<void> {
  const iterator = content[Symbol.asyncIterator]();
  const aborted = new Promise<"aborted">((resolve) => {
    if (signal.aborted) resolve("aborted");
    else signal.addEventListener("abort", () => resolve("aborted"), { once: true });
  });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next === "aborted" || next.done) break;
      if (!to.write(next.value)) {
        await Promise.race([new Promise((resolve) => to.once("drain", resolve)), aborted]);
      }
    }
  } finally {
    // Not awaited: a generator that waits for its next item would only return after it.
    if (signal.aborted) void Promise.resolve(iterator.return?.()).catch(() => {});
  }
  to.end();
}

function toRequest(message: IncomingMessage, signal: AbortSignal, body?: Uint8Array): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const bodiless = message.method === "GET" || message.method === "HEAD" || !carriesBody(message);
  return new Request(urlOf(message).href, {
    method: message.method,
    headers,
    signal,
    body: bodiless ? null : (body ?? bodyOf(message)),
  });
}

function carriesBody({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  return headers["content-length"] !== undefined && headers["content-length"] !== "0";
}

/** The body as a stream that reads from the connection only when it is asked to. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array> {
  let started = false;
  let refused = false;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (started) {
          message.resume();
          return;
        }
        started = true;
        message.on("data", (chunk: Uint8Array) => {
          if (refused) return;
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 0) <= 0) message.pause();
        });
        message.on("end", () => {
          if (!refused) controller.close();
        });
        message.on("error", (error) => controller.error(error));
      },
      cancel() {
        // What is still on its way is taken and dropped: the client reads our answer only after it has sent all.
        refused = true;
        message.resume();
      },
    },
    { highWaterMark: 0 },
  );
}
