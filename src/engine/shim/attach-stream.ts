/**
 * The daemon's side of an attached client: one stream, though the shim at its other end may be succeeded by another.
 * It counts what it has received, and keeps what a killed shim may not have read of the input, so that both go on
 * where they were.
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/** More than what lies in a unix socket's queue and in the shim's hands together. */
const KEPT_INPUT = 1024 * 1024;

/** The next shim's connection; `input`: how many bytes of the input the process was given. */
export interface Rejoined {
  socket: Socket;
  input: number;
  /** It is gone, too. */
  lost: boolean;
}

export interface AttachEvents {
  /** Undefined: the next shim cannot go on with it. */
  rejoin(received: number): Promise<Rejoined | undefined>;
  /** No shim is needed for it any more. May be told twice. */
  gone(): void;
}

/** Emits `cut` before its end when that is not the end of the process's streams. */
export class AttachStream extends Duplex {
  readonly key: string;
  readonly #events: AttachEvents;
  #socket: Socket | undefined;
  #received = 0;
  /** The last of the input, and how much there was in all. */
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #written = 0;
  #waitingForRoom: (() => void) | undefined;
  #inputEnded = false;
  /** The connection has ended. Why, only the control connection tells: by the end of the streams, or by its own. */
  #atEnd = false;
  #finished = false;
  #lost = false;

  constructor(key: string, socket: Socket, events: AttachEvents) {
    super({ allowHalfOpen: true });
    this.key = key;
    this.#events = events;
    this.#use(socket);
  }

  /** The shim has sent all that there will be. */
  finished(): void {
    this.#finished = true;
    this.#events.gone();
    this.#decide();
  }

  /** The shim is gone. */
  lost(): void {
    this.#lost = true;
    this.#decide();
  }

  #use(socket: Socket): void {
    this.#socket = socket;
    this.#atEnd = this.#lost = false;
    socket.on("data", (bytes: Buffer) => {
      this.#received += bytes.length;
      if (!this.push(bytes)) socket.pause();
    });
    const ended = () => {
      if (this.#socket !== socket) return;
      this.#atEnd = true;
      this.#decide();
    };
    socket.on("error", () => {});
    socket.on("end", ended);
    socket.on("close", ended);
    socket.on("drain", () => this.#room());
  }

  #decide(): void {
    if (!this.#atEnd || this.destroyed) return;
    if (this.#finished) this.push(null);
    else if (this.#lost) void this.#rejoin();
  }

  async #rejoin(): Promise<void> {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#atEnd = this.#lost = false;
    const next = await this.#events.rejoin(this.#received);
    if (this.destroyed) next?.socket.destroy();
    else if (next === undefined || next.input < this.#written - this.#keptBytes) {
      next?.socket.destroy();
      this.emit("cut");
      this.#atEnd = true;
      this.finished();
      this.#room();
    } else {
      this.#use(next.socket);
      if (next.lost) this.lost();
      let at = this.#written - this.#keptBytes;
      for (const bytes of this.#kept) {
        const given = Math.min(Math.max(next.input - at, 0), bytes.length);
        if (given < bytes.length) next.socket.write(bytes.subarray(given));
        at += bytes.length;
      }
      if (this.#inputEnded) next.socket.end();
      if (next.socket.writableLength === 0) this.#room();
    }
  }

  #room(): void {
    const go = this.#waitingForRoom;
    this.#waitingForRoom = undefined;
    go?.();
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    this.#written += bytes.length;
    while (this.#keptBytes - this.#kept[0]!.length >= KEPT_INPUT)
      this.#keptBytes -= this.#kept.shift()!.length;
    if (this.#finished) done();
    else if (this.#socket?.write(bytes)) done();
    else this.#waitingForRoom = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inputEnded = true;
    this.#socket?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#events.gone();
    this.#socket?.destroy();
    this.#room();
    done(error);
  }
}
