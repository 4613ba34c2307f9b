/** One connection to the daemon: writes requests, reads answers, and may be upgraded to a raw stream. */
import type { Socket } from "bun";
import { type Body, Decoder, type Head } from "./response.ts";

export { Body, type Head } from "./response.ts";

/** Where the daemon listens. Either `unix` or `host` and `port`. */
export interface Endpoint {
  /** As the user names it: `unix:///var/run/docker.sock`. */
  readonly display: string;
  readonly unix?: string;
  readonly host?: string;
  readonly port?: number;
  readonly tls?: { ca?: string; cert?: string; key?: string; verify: boolean };
}

/** The raw two-way stream that an upgrade gives. */
export interface Upgraded {
  readonly contentType: string;
  readonly output: Body;
  /** Resolves when the socket has taken the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that no more input comes; output goes on. */
  closeWrite(): void;
  close(): void;
}

interface Waiter {
  resolve(answer: { head: Head; body: Body }): void;
  reject(error: unknown): void;
}

const encoder = new TextEncoder();

export class Connection {
  open = true;
  #socket!: Socket<undefined>;
  readonly #decoder = new Decoder();
  #waiter: Waiter | undefined;
  #pending: Uint8Array[] = [];
  #drained: (() => void)[] = [];
  #halfClose = false;

  static async open(endpoint: Endpoint): Promise<Connection> {
    const connection = new Connection();
    const socket = {
      data: (_: unknown, bytes: Uint8Array) => connection.#received(bytes),
      drain: () => connection.#flush(),
      end: () => connection.#ended(),
      close: () => connection.#ended(),
      error: (_: unknown, error: Error) => connection.#ended(error),
    };
    if (endpoint.unix !== undefined) {
      connection.#socket = await Bun.connect({ unix: endpoint.unix, allowHalfOpen: true, socket });
    } else {
      const { tls } = endpoint;
      // Without this an untrusted daemon would only be one that hung up.
      const handshake = (_: unknown, trusted: boolean, error: Error | null): void => {
        if (tls?.verify && (!trusted || error))
          connection.#ended(error ?? new Error("the daemon is not trusted"));
      };
      connection.#socket = await Bun.connect({
        hostname: endpoint.host as string,
        port: endpoint.port as number,
        allowHalfOpen: true,
        socket: tls ? { ...socket, handshake } : socket,
        ...(tls
          ? {
              tls: {
                ca: tls.ca,
                cert: tls.cert,
                key: tls.key,
                rejectUnauthorized: tls.verify,
                serverName: endpoint.host,
              },
            }
          : {}),
      });
    }
    return connection;
  }

  /** Sends a request and gives its answer's head, with the body still to be read. */
  exchange(method: string, head: string, body: Uint8Array | undefined): Promise<{ head: Head; body: Body }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ head: Head; body: Body }>();
    this.#waiter = { resolve, reject };
    this.#decoder.expect(method === "HEAD", (got, payload) => {
      this.#waiter = undefined;
      payload.throttle = (paused) => (paused ? this.#socket.pause() : this.#socket.resume());
      resolve({ head: got, body: payload });
    });
    const bytes = encoder.encode(head);
    if (!body) this.#write(bytes);
    else {
      const whole = new Uint8Array(bytes.length + body.length);
      whole.set(bytes);
      whole.set(body, bytes.length);
      this.#write(whole);
    }
    return promise;
  }

  async sendChunks(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of chunks) {
      if (!this.open) return;
      if (chunk.length === 0) continue;
      this.#write(encoder.encode(`${chunk.length.toString(16)}\r\n`));
      this.#write(chunk);
      this.#write(encoder.encode("\r\n"));
      await this.#drain();
    }
    this.#write(encoder.encode("0\r\n\r\n"));
  }

  upgraded(head: Head, body: Body): Upgraded {
    return {
      contentType: head.headers.get("content-type") ?? "",
      output: body,
      write: (bytes) => {
        this.#write(bytes);
        return this.#drain();
      },
      closeWrite: () => {
        this.#halfClose = true;
        this.#flush();
      },
      close: () => this.close(),
    };
  }

  close(): void {
    this.open = false;
    this.#socket.end();
  }

  #write(bytes: Uint8Array): void {
    if (!this.open) return;
    if (this.#pending.length > 0) {
      this.#pending.push(bytes);
      return;
    }
    const written = Math.max(0, this.#socket.write(bytes));
    if (written < bytes.length) this.#pending.push(bytes.slice(written));
  }

  #drain(): Promise<void> {
    if (this.#pending.length === 0 || !this.open) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  #flush(): void {
    while (this.#pending.length > 0) {
      const bytes = this.#pending[0] as Uint8Array;
      const written = Math.max(0, this.#socket.write(bytes));
      if (written < bytes.length) {
        this.#pending[0] = bytes.subarray(written);
        return;
      }
      this.#pending.shift();
    }
    if (this.#halfClose) this.#socket.shutdown();
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #received(bytes: Uint8Array): void {
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      this.#ended(error as Error);
    }
  }

  #ended(error?: Error): void {
    if (!this.open) return;
    this.open = false;
    const complete = this.#decoder.end();
    const reason = error ?? new Error(complete ? "EOF" : "unexpected EOF");
    this.#waiter?.reject(reason);
    this.#waiter = undefined;
    for (const resolve of this.#drained.splice(0)) resolve();
    this.#socket.end();
  }
}
