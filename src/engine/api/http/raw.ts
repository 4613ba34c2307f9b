/** A connection after its upgrade: bytes both ways, half-close included. */
import { Duplex } from "node:stream";
import type { Wire } from "./wire.ts";

export class RawStream extends Duplex {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    super({ allowHalfOpen: true });
    this.#wire = wire;
  }

  /** What the client sent; the bytes are the caller's again. */
  received(bytes: Uint8Array): void {
    if (!this.destroyed && !this.push(Buffer.from(bytes))) this.#wire.socket.pause();
  }

  /** The client ended its side. */
  ended(): void {
    if (!this.destroyed) this.push(null);
  }

  /** The connection is gone; what came before is still there to be read. */
  hungUp(): void {
    if (this.destroyed) return;
    if (!this.readableEnded) this.push(null);
    if (this.readableLength === 0) this.destroy();
    else this.once("end", () => this.destroy());
  }

  override _read(): void {
    this.#wire.socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (this.#wire.write(chunk)) done();
    else void this.#wire.drained().then(done);
  }

  override _final(done: () => void): void {
    this.#wire.finish();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#wire.open) this.#wire.socket.end();
    done(error);
  }
}
