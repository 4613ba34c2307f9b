/**
 * Calls back when file descriptors are ready. While data flow it looks again in every turn of the event loop;
 * when all is quiet the waker (waker.ts) waits in its place.
 */
import { EPOLL, Epoll } from "../../ffi/poll.ts";
import { Rest } from "../rest.ts";
import { startStage } from "../runtime/stage.ts";
import { wakerPlan } from "./waker.ts";

export type Ready = (events: number) => void;

/** Pause between two looks at streams that only trickle, so that a writer of short lines fills its pipe meanwhile. */
const TRICKLE_PAUSE_MS = 1;
/** So many quick looks in a row that found little are a trickle. */
const TRICKLE_LOOKS = 16;

export class Poller {
  readonly #epoll = new Epoll();
  readonly #ready = new Map<number, Ready>();
  #waker: { write(data: string): unknown; end(): void } | undefined;
  #awake = false;
  #looks = 0;
  #closed = false;
  readonly #rest = new Rest();

  /** Starts the waker, again if somebody killed it. */
  async start(): Promise<void> {
    const stage = startStage(wakerPlan(), { control: true, fds: [this.#epoll.fd], name: "ts-waker" });
    const again = () => {
      this.#waker = undefined;
      if (!this.#closed) setTimeout(() => this.start().catch(() => {}), 50);
    };
    stage.done.catch(() => {});
    this.#waker = await Bun.connect({
      fd: stage.control,
      socket: { data: () => this.#wake(), close: again, error: () => {} },
    } as unknown as Parameters<typeof Bun.connect>[0]);
  }

  /** Watches for input (and hang-up), or for room to write. One watch for each fd. */
  add(fd: number, ready: Ready, events: number = EPOLL.EPOLLIN): void {
    this.#epoll.add(fd, events);
    this.#ready.set(fd, ready);
  }

  remove(fd: number): void {
    if (this.#ready.delete(fd)) this.#epoll.remove(fd);
  }

  /** Takes what is ready now; a writer that is as fast as we are is left to the next turn. */
  catchUp(): void {
    for (let look = 0; look < TRICKLE_LOOKS; look++) {
      if (this.#epoll.poll((fd, events) => this.#ready.get(fd)?.(events)) === 0) return;
    }
  }

  /** After other work than reading. */
  tidyWhenQuiet(): void {
    if (!this.#awake) this.#rest.stir();
  }

  close(): void {
    this.#closed = true;
    this.#rest.close();
    this.#waker?.end();
  }

  #wake(): void {
    // A new waker's first byte may come while we look: our answer to it comes when all is quiet.
    if (this.#awake) return;
    this.#awake = true;
    this.#rest.wake();
    this.#looks = 0;
    this.#look();
  }

  readonly #look = (): void => {
    const found = this.#epoll.poll((fd, events) => this.#ready.get(fd)?.(events));
    if (found === 0) {
      this.#awake = false;
      this.#waker?.write("w");
      this.tidyWhenQuiet();
    } else if (++this.#looks % TRICKLE_LOOKS === 0) {
      setTimeout(this.#look, TRICKLE_PAUSE_MS);
    } else setImmediate(this.#look);
  };
}
