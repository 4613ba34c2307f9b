/**
 * HTTP on one listener, on Bun's own sockets: ordinary requests go to the router, and what asks for an upgrade gets
 * its raw socket. Nothing is buffered as a whole in either direction, nothing waits for silent clients to speak.
 *
 * `node:http` would do the same with four times the work for each request and twice that for each connection, and
 * `Bun.serve` neither gives a connection away nor keeps one half open.
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

export class ApiServer {
  readonly #api: Api;
  readonly #clients = new Set<Served>();
  readonly #rest: Rest;
  #listener: { stop(force?: boolean): void; port?: number } | undefined;

  constructor(api: Api, rest = new Rest()) {
    this.#api = api;
    this.#rest = rest;
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
          const client = { wire, http: new HttpConnection(wire, this.#api), trusted: !asks };
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
