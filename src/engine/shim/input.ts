/**
 * The process's standard input: what attached clients send, written as the process takes it.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { closeFd } from "../../ffi/libc.ts";
import { EPOLL, setNonblocking, writeFrom } from "../../ffi/poll.ts";
import type { Poller } from "./poller.ts";
import type { Input, Session } from "./session.ts";

export interface InputOptions {
  readonly poller: Poller;
  /** The first client that ends its input ends the process's. A terminal's cannot be ended. */
  readonly closable: boolean;
  /** The fd was closed here: the keeper must close its copy too. */
  onClose(): void;
}

export class StdinWriter implements Input {
  readonly #options: InputOptions;
  #fd: number;
  #queue: { bytes: Buffer; from: Session }[] = [];
  #waiting = new Set<Session>();
  #ending = false;
  #polled = false;

  /** Takes the fd. */
  constructor(fd: number, options: InputOptions) {
    this.#fd = fd;
    this.#options = options;
    setNonblocking(fd);
  }

  write(bytes: Buffer, from: Session): boolean {
    if (this.#fd < 0 || this.#ending) {
      from.took(bytes.length);
      return true;
    }
    this.#queue.push({ bytes: Buffer.from(bytes), from });
    this.#flush();
    if (this.#queue.length === 0) return true;
    this.#waiting.add(from);
    return false;
  }

  end(from: Session): void {
    this.#waiting.delete(from);
    if (!this.#options.closable) return;
    this.#ending = true;
    this.#flush();
  }

  /** Without telling the keeper: the process has ended, or a successor takes over. */
  close(): void {
    if (this.#fd < 0) return;
    if (this.#polled) this.#options.poller.remove(this.#fd);
    closeFd(this.#fd);
    this.#fd = -1;
    this.#queue = [];
    this.#resume();
  }

  readonly #flush = (): void => {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const put = writeFrom(this.#fd, first.bytes);
      if (put > 0) first.from.took(put);
      if (put === -ERRNO.EAGAIN) {
        this.#poll();
        return;
      }
      if (put < 0) {
        // EPIPE: nobody reads any more; what clients still send is dropped, as a shell would.
        for (const { bytes, from } of this.#queue) from.took(bytes.length);
        this.#queue = [];
        this.#ending = true;
      } else if (put === first.bytes.length) this.#queue.shift();
      else first.bytes = first.bytes.subarray(put);
    }
    if (this.#polled) {
      this.#options.poller.remove(this.#fd);
      this.#polled = false;
    }
    if (this.#ending && this.#fd >= 0) {
      this.close();
      this.#options.onClose();
    } else this.#resume();
  };

  #poll(): void {
    if (this.#polled) return;
    this.#options.poller.add(this.#fd, this.#flush, EPOLL.EPOLLOUT);
    this.#polled = true;
  }

  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const session of waiting) session.resume();
  }
}
