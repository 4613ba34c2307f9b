/**
 * What is left to do after the end of a process: a moment later, since those who wait for the end have the processor
 * first; or at once, when somebody asks for it.
 */

/** Until whoever was told of the end has gone on, and whoever had waited for that. */
const LATER_MS = 20;

export class Clearing {
  readonly #work: () => Promise<void>;
  readonly #timer: ReturnType<typeof setTimeout>;
  #done: Promise<void> | undefined;

  /** `work` never rejects. */
  constructor(work: () => Promise<void>) {
    this.#work = work;
    this.#timer = setTimeout(() => void this.now(), LATER_MS);
  }

  /** Resolves when it is done. */
  now(): Promise<void> {
    clearTimeout(this.#timer);
    this.#done ??= Promise.resolve().then(this.#work);
    return this.#done;
  }
}
