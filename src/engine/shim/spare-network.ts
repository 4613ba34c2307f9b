/** A network namespace ahead of the next container that has one of its own and nothing in it but `lo`. */
import { closeFd } from "../../ffi/libc.ts";
import { bringLoopbackUp, newNamespace } from "../../ffi/netns.ts";
import { Spare } from "../spare.ts";

/** A command that ends at once is over by then. */
const BEHIND_MS = 20;

/** `lo` is up. Nothing leads to it but the descriptor. */
export class BareNetwork implements Disposable {
  readonly fd: number;

  constructor() {
    this.fd = newNamespace();
    try {
      bringLoopbackUp(this.fd);
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeFd(this.fd);
  }
}

export class SpareNetwork {
  readonly #spare = new Spare(() => new BareNetwork(), BEHIND_MS);

  /** For a container with this specification, if it wants one and there is one; the caller's. */
  takeFor(spec: string): BareNetwork | undefined {
    if (!wantsBare(spec)) return undefined;
    const network = this.#spare.take();
    this.#spare.refill();
    return network;
  }
}

/**
 * Asked of the text, which need not be parsed for it: in no string of JSON is a quotation mark without a backslash. A new user
 * namespace has to own the network's, too.
 */
const wantsBare = (spec: string): boolean =>
  spec.includes('{"type":"network"}') && !spec.includes('{"type":"user"');
