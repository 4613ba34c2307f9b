/** The writing side of a connection: what the kernel does not take at once waits here. */
import type { Socket } from "bun";

export class Wire {
  readonly socket: Socket<unknown>;
  #waiting: Uint8Array[] = [];
  #drained: (() => void)[] = [];
  #ending = false;
  open = true;

  constructor(socket: Socket<unknown>) {
    this.socket = socket;
  }

  /** The bytes are the caller's again. False: wait for {@link drained} before more. */
  write(bytes: Uint8Array): boolean {
    if (!this.open || this.#ending) return true;
    if (this.#waiting.length > 0) {
      this.#waiting.push(bytes.slice());
      return false;
    }
    const written = Math.max(this.socket.write(bytes), 0);
    if (written === bytes.length) return true;
    this.#waiting.push(bytes.slice(written));
    return false;
  }

  /** Resolves when all is with the kernel, or the connection is gone. */
  drained(): Promise<void> {
    if (this.#waiting.length === 0 || !this.open) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Ends our side once all is sent; the other side may still send. */
  finish(): void {
    if (this.#ending || !this.open) return;
    this.#ending = true;
    if (this.#waiting.length === 0) this.socket.shutdown();
  }

  /** Called when there is room again. */
  flush(): void {
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!;
      const written = Math.max(this.socket.write(bytes), 0);
      if (written < bytes.length) {
        this.#waiting[0] = bytes.subarray(written);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#ending) this.socket.shutdown();
    this.#wake();
  }

  /** The connection is gone. */
  closed(): void {
    this.open = false;
    this.#waiting = [];
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}
