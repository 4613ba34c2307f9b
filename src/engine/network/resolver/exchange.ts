/**
 * One query to one server: a socket of its own, so that whoever would forge an answer has to guess its port besides the
 * query's number.
 */
import { ERRNO } from "../../../ffi/errno.ts";
import { INET, setZone, socketAddress } from "../../../ffi/inet.ts";
import { check, closeFd, sys } from "../../../ffi/libc.ts";
import { socketIn } from "../../../ffi/netns.ts";
import { EPOLL, readInto, writeFrom } from "../../../ffi/poll.ts";
import { SOCK } from "../../../ffi/socket-flags.ts";
import { isAnswerTo, MAX_MESSAGE } from "./message.ts";

export type Transport = "udp" | "tcp";

/** Calls back when file descriptors are ready; one watch for each (the shim's poller). */
export interface Watcher {
  add(fd: number, ready: (events: number) => void, events?: number): void;
  remove(fd: number): void;
}

export interface Server {
  /** May have a zone: `fe80::1%eth0`. */
  address: string;
  port: number;
  /** An fd of the network namespace that it is asked from; undefined: ours. */
  netns: number | undefined;
}

/** Docker's: how long a server has to answer. */
const TIMEOUT_MS = 4000;

/** What an answer is read into: nothing is awaited while it is in use. */
const scratch = new Uint8Array(MAX_MESSAGE + 2);

export class Exchange {
  readonly #watcher: Watcher;
  readonly #query: Uint8Array;
  readonly #questionEnd: number;
  readonly #done: (answer: Uint8Array | undefined) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #fd = -1;
  /** Over TCP: what is not sent yet, and what has come of the answer, its length in front. */
  #unsent = new Uint8Array(0);
  #received = Buffer.alloc(0);

  /**
   * Sends the query; `done` is called once, later: without an answer after a while, or when there is no way to the
   * server. Its number is in the query already.
   */
  constructor(
    { server, transport, query, questionEnd }: Asked,
    watcher: Watcher,
    done: (answer: Uint8Array | undefined) => void,
  ) {
    this.#watcher = watcher;
    this.#query = query;
    this.#questionEnd = questionEnd;
    this.#done = done;
    this.#timer = setTimeout(() => this.#finish(undefined), TIMEOUT_MS);
    try {
      this.#open(server, transport);
    } catch {
      setImmediate(() => this.#finish(undefined));
    }
  }

  #open({ address, port, netns }: Server, transport: Transport): void {
    const [ip = "", zone] = address.split("%");
    const to = socketAddress(ip, port);
    const type = (transport === "udp" ? SOCK.SOCK_DGRAM : SOCK.SOCK_STREAM) | SOCK.SOCK_NONBLOCK;
    this.#fd =
      netns === undefined
        ? check(sys("socket", to[0]!, type | SOCK.SOCK_CLOEXEC, 0), "socket")
        : socketIn(netns, to[0]!, type, 0);
    if (zone !== undefined) setZone(to, zone, this.#fd);
    const connected = sys("connect", this.#fd, to, to.length);
    if (connected !== -ERRNO.EINPROGRESS) check(connected, "connect");
    if (transport === "udp") {
      check(writeFrom(this.#fd, this.#query), "send");
      this.#watcher.add(this.#fd, () => this.#receive());
      return;
    }
    sys("setsockopt", this.#fd, INET.IPPROTO_TCP, INET.TCP_NODELAY, new Int32Array([1]), 4);
    this.#unsent = framed(this.#query);
    this.#watcher.add(this.#fd, () => this.#send(), EPOLL.EPOLLOUT);
  }

  close(): void {
    clearTimeout(this.#timer);
    if (this.#fd < 0) return;
    this.#watcher.remove(this.#fd);
    closeFd(this.#fd);
    this.#fd = -1;
  }

  #finish(answer: Uint8Array | undefined): void {
    this.close();
    this.#done(answer);
  }

  /** Datagrams that are not the answer are forged or late: the real one may follow. */
  #receive(): void {
    for (;;) {
      const got = readInto(this.#fd, scratch, 0, MAX_MESSAGE);
      if (got === -ERRNO.EAGAIN) return;
      if (got < 0) return void this.#finish(undefined);
      const packet = scratch.subarray(0, got);
      if (isAnswerTo(packet, this.#query, this.#questionEnd)) return void this.#finish(packet.slice());
    }
  }

  #send(): void {
    const sent = writeFrom(this.#fd, this.#unsent);
    if (sent === -ERRNO.EAGAIN) return;
    if (sent < 0) return void this.#finish(undefined);
    this.#unsent = this.#unsent.subarray(sent);
    if (this.#unsent.length > 0) return;
    this.#watcher.remove(this.#fd);
    this.#watcher.add(this.#fd, () => this.#receiveStream());
  }

  #receiveStream(): void {
    const got = readInto(this.#fd, scratch, 0, scratch.length);
    if (got === -ERRNO.EAGAIN) return;
    if (got <= 0) return void this.#finish(undefined);
    this.#received = Buffer.concat([this.#received, scratch.subarray(0, got)]);
    if (this.#received.length < 2) return;
    const length = this.#received.readUInt16BE(0);
    if (this.#received.length < 2 + length) return;
    const packet = this.#received.subarray(2, 2 + length);
    this.#finish(isAnswerTo(packet, this.#query, this.#questionEnd) ? packet : undefined);
  }
}

export interface Asked {
  server: Server;
  transport: Transport;
  query: Uint8Array;
  questionEnd: number;
}

/** As it goes over a stream: its length in front. */
export function framed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2 + message.length);
  bytes[0] = message.length >> 8;
  bytes[1] = message.length & 0xff;
  bytes.set(message, 2);
  return bytes;
}
