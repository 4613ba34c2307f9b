/**
 * Requests that a client sends without waiting for each other's answers, on connections of their own, whose bytes the
 * kernel may show in any order: `tsd run` attaches, waits and starts at once, and no output may be lost to a start that
 * overtook its attach. All carry the header `Tsd-Order` with a word of the client's; `WORD; after=2` begins when two others
 * of that word are in place, which is when their answers begin, and is refused when one of them was. The answer to a
 * create has the header, too: by it the client knows that this daemon keeps the order.
 */
import { EngineError } from "../errors.ts";

export const ORDER_HEADER = "Tsd-Order";

/** For so long the others may take; then nobody follows them any more. */
const KEPT_MS = 60_000;

const SYNTAX = /^(\w{1,128})(?:; after=([1-9]))?$/;

interface Known {
  placed: number;
  refused: boolean;
  readonly timer: ReturnType<typeof setTimeout>;
  /** Tells the one that follows. */
  wake: () => void;
}

export class Orders {
  readonly #known = new Map<string, Known>();
  readonly #keptMs: number;

  constructor(keptMs = KEPT_MS) {
    this.#keptMs = keptMs;
  }

  /** How many are waited for, or followed. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * Runs the request when its turn has come. `work` says with `begun` that what it asked for is in place; it may go on
   * long after.
   * @throws EngineError conflict when it was to follow one that failed, or that did not come
   */
  async keep<T>(headers: Headers, signal: AbortSignal, work: (begun: () => void) => Promise<T>): Promise<T> {
    const value = headers.get(ORDER_HEADER);
    if (value === null) return work(() => {});
    const [, word, after] = SYNTAX.exec(value) ?? [];
    if (word === undefined) throw new EngineError("invalid", `invalid ${ORDER_HEADER} header: ${value}`);
    if (after !== undefined) {
      await this.#turn(word, Number(after), signal);
      return work(() => {});
    }
    let told = false;
    const tell = (refused: boolean): void => {
      if (told) return;
      told = true;
      const known = this.#of(word);
      if (refused) known.refused = true;
      else known.placed++;
      known.wake();
    };
    try {
      return await work(() => tell(false));
    } finally {
      tell(true);
    }
  }

  #of(word: string): Known {
    let known = this.#known.get(word);
    if (known === undefined) {
      const timer = setTimeout(() => this.#giveUp(word), this.#keptMs);
      timer.unref();
      known = { placed: 0, refused: false, timer, wake: () => {} };
      this.#known.set(word, known);
    }
    return known;
  }

  #giveUp(word: string): void {
    const known = this.#known.get(word);
    if (known === undefined) return;
    this.#forget(word, known);
    known.refused = true;
    known.wake();
  }

  #forget(word: string, { timer }: Known): void {
    clearTimeout(timer);
    this.#known.delete(word);
  }

  /** Nobody else follows: what is known of the others is forgotten after. */
  async #turn(word: string, count: number, signal: AbortSignal): Promise<void> {
    const known = this.#of(word);
    const gone = (): void => this.#giveUp(word);
    signal.addEventListener("abort", gone);
    try {
      if (signal.aborted) known.refused = true;
      if (known.placed < count && !known.refused) {
        await new Promise<void>((resolve) => {
          known.wake = () => {
            if (known.placed >= count || known.refused) resolve();
          };
        });
      }
    } finally {
      signal.removeEventListener("abort", gone);
      this.#forget(word, known);
    }
    if (known.refused) throw new EngineError("conflict", "a request that this one follows failed");
  }
}
