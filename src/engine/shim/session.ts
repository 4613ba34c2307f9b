/**
 * One attached client: a connection that carries the container's output one way and its input the other.
 *
 * A slow one never slows the log nor another client: what it has not taken waits in memory, then in a file, up to
 * 256 MiB. Only one that is that far behind slows the container, as a full pipe would, so that
 * `docker run … | slow` gets all of it; when it takes nothing at all for half a minute then, it is cut off.
 */
import type { Socket } from "bun";
import type { StreamName } from "../log/frame.ts";
import { Backlog } from "./backlog.ts";
import type { AttachOptions } from "./types.ts";

const STALLED_MS = 30_000;

/** Takes a client's input; false: no more for now, `resume` will be called. */
export interface Input {
  write(bytes: Buffer, from: Session): boolean;
  /** The client closed its side, or is gone. */
  end(from: Session): void;
}

export class Session {
  readonly options: AttachOptions;
  readonly #socket: Socket<unknown>;
  readonly #backlog: Backlog;
  #input: Input | undefined;
  /** Input that came before there was a process. */
  #early: Buffer[] = [];
  #inputEnded = false;
  #finishing = false;
  #tookAt = Date.now();
  #stall: ReturnType<typeof setInterval> | undefined;
  closed = false;
  /** Called when it can take more again, or is gone. */
  onRoom: (() => void) | undefined;
  onClosed: (() => void) | undefined;

  constructor(socket: Socket<unknown>, options: AttachOptions, spillFolder: string) {
    this.#socket = socket;
    this.options = options;
    this.#backlog = new Backlog(spillFolder);
  }

  get full(): boolean {
    return !this.closed && this.#backlog.full;
  }

  wants(stream: StreamName): boolean {
    return !this.closed && (stream === "stdout" ? this.options.stdout : this.options.stderr);
  }

  /** Output, framed already where it is. The bytes are the caller's again afterwards. */
  write(bytes: Uint8Array): void {
    if (this.closed) return;
    let rest = bytes;
    if (this.#backlog.empty) {
      const sent = this.#socket.write(bytes);
      if (sent === bytes.length) return;
      if (sent > 0) rest = bytes.subarray(sent);
      this.#tookAt = Date.now();
    }
    this.#backlog.push(rest);
    if (this.#backlog.full) this.#watchStall();
  }

  /** There will be no more output: what waits is still sent, then the connection ends. */
  finish(): void {
    this.#finishing = true;
    if (this.#backlog.empty) this.#socket.end();
    else this.#watchStall();
  }

  /** The socket has room again. */
  drain(): void {
    const wasFull = this.#backlog.full;
    for (let next = this.#backlog.peek(); next !== undefined; next = this.#backlog.peek()) {
      const sent = this.#socket.write(next);
      if (sent <= 0) break;
      this.#tookAt = Date.now();
      this.#backlog.take(sent);
      if (sent < next.length) break;
    }
    if (wasFull && !this.#backlog.full) this.onRoom?.();
    if (this.#finishing && this.#backlog.empty) this.#socket.end();
  }

  /** Where input goes from now on, with what has come already. */
  connect(input: Input): void {
    this.#input = input;
    const early = this.#early;
    this.#early = [];
    let room = true;
    for (const bytes of early) room = input.write(bytes, this);
    if (this.#inputEnded) input.end(this);
    else if (room) this.#socket.resume();
  }

  receive(bytes: Buffer): void {
    if (!this.options.stdin) return;
    if (this.#input === undefined) {
      this.#early.push(Buffer.from(bytes));
      this.#socket.pause();
    } else if (!this.#input.write(bytes, this)) this.#socket.pause();
  }

  /** The process takes input again. */
  resume(): void {
    if (!this.closed) this.#socket.resume();
  }

  endInput(): void {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    this.#input?.end(this);
  }

  /** The connection is gone, from whichever side. Whether that ends the input is for the server to say. */
  gone(): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.#stall);
    this.#backlog.clear();
    this.onRoom?.();
    this.onClosed?.();
  }

  #watchStall(): void {
    this.#stall ??= setInterval(() => {
      if (!this.#backlog.full && !this.#finishing) {
        clearInterval(this.#stall);
        this.#stall = undefined;
      } else if (Date.now() - this.#tookAt > STALLED_MS) {
        this.#socket.terminate();
        this.gone();
      }
    }, 1000);
  }
}
