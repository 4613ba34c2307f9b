/** A long-lived process that has had nothing to do for a while gives back what its work left in memory. */
import { releaseCode } from "../ffi/memory.ts";

/** After so long without work garbage is collected. */
const QUIET_MS = 1000;
/** And after so long again the program's own pages go, which the next command has to fetch (under a millisecond). */
const REST_MS = 2000;

export class Rest {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** There was work: the time begins anew. */
  stir(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      Bun.gc(true);
      this.#timer = setTimeout(releaseCode, REST_MS).unref();
    }, QUIET_MS).unref();
  }

  /** There is work: no rest until {@link stir}. */
  wake(): void {
    clearTimeout(this.#timer);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
