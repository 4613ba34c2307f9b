/**
 * One control connection of a daemon's to a shim: requests out, responses and notices in.
 */
import { connect, type Socket } from "node:net";
import { EngineError } from "../errors.ts";
import {
  type Hello,
  LineReader,
  type Method,
  type Methods,
  type Notice,
  PROTOCOL_VERSION,
  type Response,
  writeRequest,
} from "./protocol.ts";

/** The shim went away with the request unanswered: it may or may not have been done. */
export class ConnectionLost extends EngineError {
  constructor() {
    super("unavailable", "the connection to the shim was lost");
  }
}

export interface ConnectionEvents {
  notice(notice: Notice): void;
  close(): void;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #reader = new LineReader();
  readonly #hello = Promise.withResolvers<Hello["hello"]>();
  readonly #events: ConnectionEvents;
  #last = 0;
  #closed = false;

  private constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on("data", (bytes: Buffer) => {
      for (const line of this.#reader.push(bytes)) this.#receive(JSON.parse(line));
    });
    socket.on("end", () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => this.#gone());
  }

  /** Resolves after the greeting. Rejects with the socket's error (ENOENT, ECONNREFUSED) when nobody listens. */
  static async open(
    path: string,
    own: { build: string; streams(): string[] },
    events: ConnectionEvents,
  ): Promise<Connection> {
    const socket = await openSocket(path);
    const connection = new Connection(socket, events);
    const hello: Hello["hello"] = {
      protocol: PROTOCOL_VERSION,
      build: own.build,
      pid: process.pid,
      streams: own.streams(),
    };
    socket.write(`${JSON.stringify({ hello })}\n`);
    await connection.#hello.promise;
    return connection;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What the shim said of itself. */
  get peer(): Promise<Hello["hello"]> {
    return this.#hello.promise;
  }

  request<M extends Method>(method: M, params: Methods[M][0]): Promise<Methods[M][1]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new ConnectionLost();
      const id = ++this.#last;
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.#socket.write(writeRequest({ id, method, params }));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(message: Hello | Response | Notice): void {
    if ("hello" in message) this.#hello.resolve(message.hello);
    else if ("event" in message) this.#events.notice(message);
    else {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ("error" in message) {
        const { kind, message: text, code } = message.error;
        const error = new EngineError(kind, text);
        waiting?.reject(code === undefined ? error : Object.assign(error, { code }));
      } else waiting?.resolve(message.result);
    }
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    const lost = new ConnectionLost();
    this.#hello.promise.catch(() => {});
    this.#hello.reject(lost);
    for (const { reject } of this.#waiting.values()) reject(lost);
    this.#waiting.clear();
    this.#events.close();
  }
}

/** Connected, half-close kept. */
export function openSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true } as unknown as Parameters<typeof connect>[0]);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
