/**
 * HTTP on one listener, on Bun's own sockets: ordinary requests go to the router, and what asks for an upgrade gets
 * its raw socket. Nothing is buffered as a whole in either direction, nothing waits for silent clients to speak.
 *
 * `node:http` does the same with more work: a request on a kept connection cost it 0.11 ms of processor time where this
 * costs 0.04 (0.56 and 0.28 before it is compiled), one on a new connection 0.24 and 0.11 (1.1 and 0.42), and a
 * `docker run` makes seven of them. `Bun.serve` neither gives a connection away nor keeps one half open.
 */
import type { Socket, TLSOptions } from "bun";
import { Rest } from "../rest.ts";
import { type Api, HttpConnection } from "./http/connection.ts";
import { Wire } from "./http/wire.ts";

export type { Api } from "./http/connection.ts";
export type { RawStream } from "./http/raw.ts";

/** An fd is one that listens already. */
export type ListenAt = { unix: string } | { hostname: string; port: number } | { fd: number };

interface Served {
  readonly wire: Wire;
  readonly http: HttpConnection;
  /** With certificates asked for: what comes before the client has shown a good one is not read. */
  trusted: boolean;
}

const QUIET_MS = 50;

export class ApiServer {
  readonly #api: Api;
  readonly #clients = new Set<Served>();
  readonly #rest: Rest;
  readonly #headMs: number | undefined;
  #listener: { stop(force?: boolean): void; port?: number } | undefined;

  /** @param headMs how long a client may take over a request's head */
  constructor(api: Api, rest = new Rest(), headMs?: number) {
    this.#api = api;
    this.#rest = rest;
    this.#headMs = headMs;
  }

  /** The TCP port. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** @throws Error with the code EADDRINUSE, say */
  listen(at: ListenAt, tls?: TLSOptions): void {
    const asks = tls?.requestCert === true;
    const options = {
      ...at,
      ...(tls && { tls }),
      allowHalfOpen: true,
      socket: {
        open: (socket: Socket<Served>) => {
          const wire = new Wire(socket);
          const client = { wire, http: new HttpConnection(wire, this.#api, this.#headMs), trusted: !asks };
          socket.data = client;
          this.#clients.add(client);
        },
        handshake: (socket: Socket<Served>, success: boolean, error: Error | null) => {
          if (!asks) return;
          if (success && error === null) socket.data.trusted = true;
          else socket.terminate();
        },
        data: (socket: Socket<Served>, bytes: Buffer) => {
          this.#rest.stir();
          if (socket.data.trusted) socket.data.http.received(bytes);
          else socket.terminate();
        },
        drain: ({ data }: Socket<Served>) => data.wire.flush(),
        end: ({ data }: Socket<Served>) => data.http.ended(),
        close: ({ data }: Socket<Served>) => this.#gone(data),
        error: ({ data }: Socket<Served>) => this.#gone(data),
      },
    };
    // Bun's types do not know a listening `fd`.
    this.#listener = Bun.listen<Served>(options as unknown as Parameters<typeof Bun.listen<Served>>[0]);
  }

  /** Accepts nobody any more. */
  close(): void {
    this.#listener?.stop();
  }

  /** Resolves when no connection has ended for a moment: those that are about to, with what there is to say, have. */
  async quiet(): Promise<void> {
    for (let last = -1; last !== this.#clients.size; ) {
      last = this.#clients.size;
      await Bun.sleep(QUIET_MS);
    }
  }

  /** What has been written still arrives. */
  endAllConnections(): void {
    for (const { wire } of this.#clients) wire.socket.end();
  }

  closeAllConnections(): void {
    for (const { wire } of this.#clients) wire.socket.terminate();
  }

  #gone(client: Served | undefined): void {
    if (client === undefined) return;
    this.#rest.stir();
    this.#clients.delete(client);
    client.http.closed();
  }
}
