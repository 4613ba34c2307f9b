/**
 * Queries over TCP: connections of one listening socket, which others may hold as well. What a client leaves lying is
 * bounded: connections, their time, and what they do not take.
 */
import type { Socket, SocketHandler, UnixSocketOptions } from "bun";
import { closeFd, sys } from "../../../ffi/libc.ts";
import { SOCK } from "../../../ffi/socket-flags.ts";
import { framed, type Watcher } from "./exchange.ts";

const MAX_CONNECTIONS = 100;
const IDLE_SECONDS = 10;
const MAX_UNSENT = 256 * 1024;

interface Connection {
  /** Of a message that is not whole. */
  partial: Buffer;
  unsent: Uint8Array[];
  unsentBytes: number;
}

export type Handle = (packet: Uint8Array, send: (answer: Uint8Array) => void) => void;

export class Streams {
  readonly #listener: number;
  readonly #watcher: Watcher;
  readonly #handle: Handle;
  readonly #connections = new Set<Socket<Connection>>();
  /** Accepted, and not adopted yet. */
  #opening = 0;
  #closed = false;

  /** The listening socket becomes its own. */
  constructor(listener: number, watcher: Watcher, handle: Handle) {
    this.#listener = listener;
    this.#watcher = watcher;
    this.#handle = handle;
    watcher.add(listener, () => this.#accept());
  }

  close(): void {
    this.#closed = true;
    this.#watcher.remove(this.#listener);
    closeFd(this.#listener);
    for (const socket of this.#connections) socket.terminate();
  }

  #accept(): void {
    for (;;) {
      const fd = sys("accept4", this.#listener, 0, 0, SOCK.SOCK_CLOEXEC | SOCK.SOCK_NONBLOCK);
      if (fd < 0) return;
      if (this.#connections.size + this.#opening >= MAX_CONNECTIONS) closeFd(fd);
      else this.#adopt(fd);
    }
  }

  #adopt(fd: number): void {
    const handler: SocketHandler<Connection> = {
      data: (socket, bytes) => this.#receive(socket, bytes),
      drain: (socket) => flush(socket),
      timeout: (socket) => socket.terminate(),
      close: (socket) => void this.#connections.delete(socket),
      error: (socket) => void this.#connections.delete(socket),
    };
    this.#opening++;
    const data: Connection = { partial: Buffer.alloc(0), unsent: [], unsentBytes: 0 };
    // Bun's types do not know `fd` here
    const adopted = Bun.connect({ fd, data, socket: handler } as unknown as UnixSocketOptions<Connection>);
    adopted.then(
      (socket) => {
        this.#opening--;
        socket.timeout(IDLE_SECONDS);
        if (this.#closed) socket.terminate();
        else this.#connections.add(socket);
      },
      () => {
        this.#opening--;
      },
    );
  }

  #receive(socket: Socket<Connection>, bytes: Uint8Array): void {
    const connection = socket.data;
    let rest = Buffer.concat([connection.partial, bytes]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      this.#handle(rest.subarray(2, end), (answer) => send(socket, answer));
      rest = rest.subarray(end);
    }
    connection.partial = rest;
    socket.timeout(IDLE_SECONDS);
  }
}

function send(socket: Socket<Connection>, answer: Uint8Array): void {
  const connection = socket.data;
  if (socket.readyState <= 0) return;
  connection.unsent.push(framed(answer));
  connection.unsentBytes += answer.length + 2;
  flush(socket);
  if (connection.unsentBytes > MAX_UNSENT) socket.terminate();
}

function flush(socket: Socket<Connection>): void {
  const connection = socket.data;
  for (let first = connection.unsent[0]; first !== undefined; first = connection.unsent[0]) {
    const sent = socket.write(first);
    if (sent <= 0) return;
    connection.unsentBytes -= sent;
    if (sent < first.length) connection.unsent[0] = first.subarray(sent);
    else connection.unsent.shift();
  }
}
