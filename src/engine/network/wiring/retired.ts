/**
 * Namespaces whose container has ended. To end one with links in it, the kernel holds for some 20 ms the lock that makes
 * links and namespaces wait, and 20 of them together not much longer. So they are kept until nothing has begun for a while, or
 * there are many; by descriptors, which a process that is killed leaves to the kernel.
 */
import { closeFd } from "../../../ffi/libc.ts";

const IDLE_MS = 250;
const MOST = 32;

export class RetiredNamespaces {
  #namespaces: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #ended: () => void;

  /** `ended`: the kernel has begun to take away those there were. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** Takes the descriptor over. Nothing may lead into it any more. */
  add(namespace: number): void {
    this.#namespaces.push(namespace);
    if (this.#namespaces.length >= MOST) this.end();
    else this.postpone();
  }

  /** Something is begun now. */
  postpone(): void {
    if (this.#namespaces.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(), IDLE_MS);
    this.#timer.unref();
  }

  end(): void {
    clearTimeout(this.#timer);
    if (this.#namespaces.length === 0) return;
    for (const namespace of this.#namespaces) closeFd(namespace);
    this.#namespaces = [];
    this.#ended();
  }
}
