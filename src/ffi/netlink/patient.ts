/**
 * Requests that the kernel takes long for: removing a link waits for all who may still look at it, some 15 ms, in which
 * the caller's thread would do nothing else. Here a thread of the pool waits, one at a time, and what is asked
 * meanwhile goes together next.
 */
import type { Message, NetlinkError } from "./message.ts";
import { NetlinkSocket } from "./socket.ts";

interface Waiting {
  message: Message;
  resolve: () => void;
  reject: (error: Error) => void;
}

export class PatientNetlink {
  readonly #socket: NetlinkSocket;
  #waiting: Waiting[] = [];
  #busy = false;
  #closing = false;

  /** As of `NetlinkSocket`. */
  constructor(protocol: number, namespace?: number) {
    this.#socket = new NetlinkSocket(protocol, namespace);
  }

  /** Resolves when it is done. @throws NetlinkError */
  request(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  /** After the requests that wait. */
  close(): void {
    this.#closing = true;
    if (!this.#busy) this.#socket.close();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const turn = this.#waiting;
      this.#waiting = [];
      try {
        const { errors } = await this.#socket.tryBatchLater(turn.map(({ message }) => message));
        const failed = new Map<number, NetlinkError>(errors.map(({ at, error }) => [at, error]));
        for (const [at, { resolve, reject }] of turn.entries()) {
          const error = failed.get(at);
          if (error) reject(error);
          else resolve();
        }
      } catch (error) {
        for (const { reject } of turn) reject(error as Error);
      }
    }
    this.#busy = false;
    if (this.#closing) this.#socket.close();
  }
}
