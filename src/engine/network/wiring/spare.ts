/**
 * One network namespace ahead of the next container: to make one takes the kernel, and with it whoever starts a container,
 * the better part of a millisecond. It is made while a container that was wired is being started by the shim, and let go when
 * none has come for a while: what it has of the host's sysctls is not to be old. Nothing leads to it but a descriptor.
 */
import { changeLink } from "../../../ffi/netlink/links.ts";
import { newNamespace } from "../../../ffi/netns.ts";
import { Inside } from "./inside.ts";

/** The container's own steps between its links and the shim come first. */
const BEHIND_MS = 4;
const KEPT_MS = 5000;

/** A new one with `lo` up, which the caller disposes of. */
export function freshNamespace(): Inside {
  const inside = new Inside(newNamespace(), true);
  try {
    inside.socket.request(changeLink("lo", { up: true }));
    return inside;
  } catch (error) {
    inside[Symbol.dispose]();
    throw error;
  }
}

export class SpareNamespace {
  #spare: Inside | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** As {@link freshNamespace}. */
  take(): Inside {
    const inside = this.#spare ?? freshNamespace();
    this.#spare = undefined;
    clearTimeout(this.#timer);
    return inside;
  }

  /** The next one is made in a moment. */
  refill(): void {
    if (this.#spare !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      try {
        this.#spare = freshNamespace();
      } catch {
        // Whoever needs one tries for himself, and tells.
        return;
      }
      this.#timer = setTimeout(() => this.#drop(), KEPT_MS).unref();
    }, BEHIND_MS).unref();
  }

  #drop(): void {
    this.#spare?.[Symbol.dispose]();
    this.#spare = undefined;
  }
}
