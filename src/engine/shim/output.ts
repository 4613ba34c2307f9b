/**
 * One output stream of a process: read when there is something, logged, given to who is attached; in that order.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { closeFd } from "../../ffi/libc.ts";
import { setNonblocking } from "../../ffi/poll.ts";
import { encodeChunk, NOTHING } from "../log/encode.ts";
import { FRAME_HEADER, type StreamName, writeFrameHeader } from "../log/frame.ts";
import { nowNs, rfc3339Nano } from "../log/time.ts";
import type { LogFile } from "../log/writer.ts";
import { Carry, DATA_AT, type Journal, MAX_READ, type Unfinished } from "./journal.ts";
import type { Poller } from "./poller.ts";
import type { Session } from "./session.ts";

/** What the streams of one process share. */
export interface OutputContext {
  readonly id: string;
  readonly poller: Poller;
  readonly journal: Journal;
  readonly sessions: ReadonlySet<Session>;
  /** Undefined when nothing is logged. */
  readonly log: LogFile | undefined;
  /** Of every line of the log: what `encodeAttributes` gave. */
  readonly attributes: string;
  /** Raw bytes to the clients, no frames. */
  readonly raw: boolean;
  /** What could not be written. */
  warn(error: Error): void;
}

export class Output {
  readonly #context: OutputContext;
  readonly #name: StreamName;
  readonly #carry: Carry;
  readonly #earlier: Output | undefined;
  #fd: number;
  #closed = false;
  #held = false;
  #failed = false;
  /** When something was read last, in milliseconds of the monotonic clock. */
  lastRead = 0;
  readonly ended: Promise<void>;
  #end!: () => void;

  /**
   * Takes the fd; it is read from {@link start} on. -1: there is none any more, only what a predecessor read. `earlier`: the
   * output that is read first where both have something, as of a command that has already ended.
   */
  constructor(context: OutputContext, name: StreamName, fd: number, carryPath: string, earlier?: Output) {
    this.#context = context;
    this.#earlier = earlier;
    this.#name = name;
    this.#fd = fd;
    this.#carry = new Carry(carryPath);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    if (fd >= 0) setNonblocking(fd);
  }

  get open(): boolean {
    return this.#fd >= 0;
  }

  /** Waiting for a client that is too far behind. */
  get held(): boolean {
    return this.#held;
  }

  start(): void {
    if (this.#anyFull()) this.#held = true;
    else this.#context.poller.add(this.#fd, this.#read);
  }

  /** Takes over from a killed predecessor: its carry, and the read that it did not finish. */
  recover(unfinished: Unfinished | undefined): void {
    this.#carry.restore();
    if (unfinished === undefined) return;
    this.#deliverAgain(unfinished);
    const { log } = this.#context;
    if (log === undefined) return;
    // Killed between the two last steps: the read is logged, and the carry is what it left.
    if (this.#carry.sequence === unfinished.sequence) return;
    const { data, time, logSize, sequence } = unfinished;
    this.#log(data, { time, sequence, at: Math.min(logSize, log.size) });
  }

  /** What is there, unless it is not to be read. */
  readNow(): void {
    if (!this.#held && this.#fd >= 0) this.#read(0);
  }

  /** A client can take more again. */
  room(): void {
    if (!this.#held || this.#anyFull()) return;
    this.#held = false;
    if (this.#fd >= 0) this.#context.poller.add(this.#fd, this.#read);
  }

  /** Stops reading, logs what is held of an unfinished line. */
  close(): void {
    if (this.#closed) return;
    this.#release();
    const { log } = this.#context;
    if (log !== undefined && this.#carry.bytes.length > 0) {
      const { text } = encodeChunk(this.#carry.bytes, NOTHING, this.#name, rfc3339Nano(nowNs()), {
        last: true,
        attributes: this.#context.attributes,
      });
      this.#trying(() => log.append(text));
      this.#trying(() => this.#carry.keep(NOTHING, this.#context.journal.sequence));
    }
    this.#carry.close();
    this.#end();
  }

  /** Leaves all as it is, for a successor. */
  abandon(): void {
    if (this.#closed) return;
    this.#release();
    this.#carry.close();
  }

  #release(): void {
    this.#closed = true;
    if (this.#fd < 0) return;
    this.#context.poller.remove(this.#fd);
    closeFd(this.#fd);
    this.#fd = -1;
  }

  readonly #read = (_events: number): void => {
    this.#earlier?.readNow();
    const { journal, log, id } = this.#context;
    this.#trying(() => log?.rotateIfFull());
    const time = nowNs();
    const to = { id, stream: this.#name, logSize: log?.size ?? 0, time };
    const got = journal.read(this.#fd, to, Math.min(MAX_READ, log?.step ?? MAX_READ));
    if (got === -ERRNO.EAGAIN || got === -ERRNO.EINTR) return;
    if (got <= 0) {
      // A terminal ends with EIO.
      this.close();
      return;
    }
    this.lastRead = performance.now();
    const data = journal.buffer.subarray(DATA_AT, DATA_AT + got);
    if (log !== undefined) this.#log(data, { time, sequence: journal.sequence, at: log.size });
    this.#deliver(journal.buffer, got);
    journal.done();
  };

  #log(data: Buffer, { time, sequence, at }: { time: bigint; sequence: number; at: number }): void {
    const log = this.#context.log!;
    const { text, rest } = encodeChunk(this.#carry.bytes, data, this.#name, rfc3339Nano(time), this.#context);
    this.#trying(() => {
      log.append(text, at);
      this.#failed = false;
    });
    this.#trying(() => this.#carry.keep(rest, sequence));
  }

  /** A full disk costs lines, never the container. It is told once, until something succeeds. */
  #trying(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!this.#failed) this.#context.warn(error as Error);
      this.#failed = true;
    }
  }

  #deliverAgain({ data, sequence }: Unfinished): void {
    const { sessions, raw } = this.#context;
    const header = Buffer.alloc(raw ? 0 : FRAME_HEADER);
    if (!raw) writeFrameHeader(header, 0, this.#name, data.length);
    const bytes = Buffer.concat([header, data]);
    for (const session of sessions) if (session.wants(this.#name)) session.recover(bytes, sequence);
  }

  #deliver(buffer: Buffer, length: number): void {
    const { sessions, raw, journal } = this.#context;
    if (sessions.size === 0) return;
    const start = raw ? DATA_AT : DATA_AT - FRAME_HEADER;
    if (!raw) writeFrameHeader(buffer, start, this.#name, length);
    const bytes = buffer.subarray(start, DATA_AT + length);
    for (const session of sessions) if (session.wants(this.#name)) session.write(bytes, journal.sequence);
    if (this.#anyFull()) {
      this.#held = true;
      this.#context.poller.remove(this.#fd);
    }
  }

  #anyFull(): boolean {
    for (const session of this.#context.sessions) if (session.full) return true;
    return false;
  }
}
