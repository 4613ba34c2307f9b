/**
 * One attached client: a connection that carries the container's output one way and its input the other.
 *
 * A slow one never slows the log nor another client: what it has not taken waits in memory, then in a file, up to
 * 256 MiB. Only one that is that far behind slows the container, as a full pipe would, so that
 * `docker run … | slow` gets all of it; when it takes nothing at all for half a minute then, it is cut off.
 *
 * With a slot of the session table it outlives the shim: the successor has it without a connection at first, reads
 * nothing more of the process meanwhile, and goes on when the daemon comes back for it. Only of one that is behind for
 * longer than is kept for a successor (kept-output.ts) something is lost with a killed shim: then the session ends, as a
 * stream with a hole in it must.
 */
import type { Socket } from "bun";
import type { StreamName } from "../log/frame.ts";
import { Backlog } from "./backlog.ts";
import type { SessionSlot } from "./session-table.ts";
import type { AttachOptions } from "./types.ts";

const STALLED_MS = 30_000;
/** A disk's folder for what slow clients have not taken. */
const SPILL_FOLDER = "/var/tmp";

/** Takes a client's input; false: no more for now, `resume` will be called. */
export interface Input {
  write(bytes: Buffer, from: Session): boolean;
  /** The client closed its side, or is gone. */
  end(from: Session): void;
}

export class Session {
  readonly options: AttachOptions;
  readonly #slot: SessionSlot | undefined;
  #socket: Socket<unknown> | undefined;
  /** Bytes that the client has of what a predecessor's unfinished read is delivered as again. */
  #skip = 0;
  readonly #backlog: Backlog;
  #input: Input | undefined;
  /** Input that came before there was a process. */
  #early: Buffer[] = [];
  #inputEnded = false;
  #finishing = false;
  /** The position in the stream from which on all of it is still here. */
  #start = 0;
  #tookAt = Date.now();
  #stall: ReturnType<typeof setInterval> | undefined;
  closed = false;
  /** Called when it can take more again, or is gone. */
  onRoom: (() => void) | undefined;
  onClosed: (() => void) | undefined;
  /** Called right before its connection is ended from here. */
  onEnd: (() => void) | undefined;

  /** Without a socket: a predecessor's, until {@link join}. */
  constructor(socket: Socket<unknown> | undefined, options: AttachOptions, slot?: SessionSlot) {
    this.#socket = socket;
    this.options = options;
    this.#backlog = new Backlog(SPILL_FOLDER);
    this.#slot = slot;
  }

  /** A predecessor's: undefined when some of it is lost. */
  static restore(slot: SessionSlot): Session | undefined {
    const kept = slot.restore();
    if (kept === undefined) return undefined;
    const session = new Session(undefined, slot.options, slot);
    session.#start = kept.from;
    if (kept.bytes.length > 0) session.#backlog.push(kept.bytes);
    return session;
  }

  /** Nothing more is to be read for now. */
  get full(): boolean {
    return !this.closed && (this.#socket === undefined || this.#backlog.full);
  }

  /** Of the process; known with a slot. */
  get id(): string | undefined {
    return this.#slot?.id;
  }

  get key(): string | undefined {
    return this.#slot?.key;
  }

  /**
   * The daemon is back, and has received so many bytes in all. Answers how many of its input the process was given;
   * undefined when it lacks some that are gone.
   */
  join(socket: Socket<unknown>, received: number): number | undefined {
    if (this.closed || this.#socket !== undefined || received < this.#start) return undefined;
    this.#skip = received - this.#start;
    this.#socket = socket;
    return this.#slot?.input;
  }

  /** After the answer to {@link join}: sends what waited. */
  resumed(): void {
    while (this.#skip > 0 && !this.#backlog.empty) {
      const dropped = Math.min(this.#backlog.peek()!.length, this.#skip);
      this.#backlog.take(dropped);
      this.#skip -= dropped;
    }
    this.drain();
    this.onRoom?.();
  }

  /** A predecessor's read that it may not have delivered. */
  recover(bytes: Uint8Array, sequence: number): void {
    if (this.#slot?.sequence !== sequence) this.write(bytes, sequence);
  }

  wants(stream: StreamName): boolean {
    return !this.closed && (stream === "stdout" ? this.options.stdout : this.options.stderr);
  }

  /**
   * Output of the journal's read `sequence`, framed already where it is. The bytes are the caller's again afterwards.
   */
  write(bytes: Uint8Array, sequence: number): void {
    if (this.closed) return;
    this.#send(bytes);
    this.#slot?.delivered(bytes.length, sequence);
  }

  #send(bytes: Uint8Array): void {
    const skipped = this.#socket === undefined ? 0 : Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    let rest = skipped > 0 ? bytes.subarray(skipped) : bytes;
    if (this.#socket !== undefined && this.#backlog.empty) {
      const sent = this.#socket.write(rest);
      if (sent === rest.length) return;
      if (sent > 0) rest = rest.subarray(sent);
      this.#tookAt = Date.now();
    }
    this.#backlog.push(rest);
    this.#slot?.keep(rest, this.#slot.produced + bytes.length - rest.length);
    if (this.#backlog.full) this.#watchStall();
  }

  /** There will be no more output: what waits is still sent, then the connection ends. */
  finish(): void {
    this.#finishing = true;
    if (this.#socket === undefined) return;
    if (this.#backlog.empty) this.#end();
    else this.#watchStall();
  }

  #end(): void {
    this.onEnd?.();
    this.#socket?.end();
  }

  /** The socket has room again. */
  drain(): void {
    if (this.#socket === undefined) return;
    const wasFull = this.#backlog.full;
    for (let next = this.#backlog.peek(); next !== undefined; next = this.#backlog.peek()) {
      const sent = this.#socket.write(next);
      if (sent <= 0) break;
      this.#tookAt = Date.now();
      this.#backlog.take(sent);
      if (sent < next.length) break;
    }
    if (wasFull && !this.#backlog.full) this.onRoom?.();
    if (this.#backlog.empty) this.#slot?.caughtUp();
    if (this.#finishing && this.#backlog.empty) this.#end();
  }

  /** Where input goes from now on, with what has come already. */
  connect(input: Input): void {
    this.#input = input;
    const early = this.#early;
    this.#early = [];
    let room = true;
    for (const bytes of early) room = input.write(bytes, this);
    if (this.#inputEnded) input.end(this);
    else if (room) this.#socket?.resume();
  }

  receive(bytes: Buffer): void {
    if (!this.options.stdin) return;
    if (this.#input === undefined) {
      this.#early.push(Buffer.from(bytes));
      this.#socket?.pause();
    } else if (!this.#input.write(bytes, this)) this.#socket?.pause();
  }

  /** So much of its input was given to the process, or to nobody. */
  took(bytes: number): void {
    this.#slot?.took(bytes);
  }

  /** The process takes input again. */
  resume(): void {
    if (!this.closed) this.#socket?.resume();
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
    this.#slot?.free();
    this.onRoom?.();
    this.onClosed?.();
  }

  #watchStall(): void {
    this.#stall ??= setInterval(() => {
      if (!this.#backlog.full && !this.#finishing) {
        clearInterval(this.#stall);
        this.#stall = undefined;
      } else if (Date.now() - this.#tookAt > STALLED_MS) {
        this.onEnd?.();
        this.#socket?.terminate();
        this.gone();
      }
    }, 1000);
  }
}
