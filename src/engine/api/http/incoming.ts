/** A request's body that comes in pieces: a stream that reads from the connection only when it is asked to. */
import type { BodyReader } from "./body.ts";

export interface Source {
  pause(): void;
  resume(): void;
  /** Somebody reads, for the first time. */
  wanted(): unknown;
}

export class IncomingBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #reader: BodyReader;
  readonly #source: Source;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #state: "unread" | "read" | "dropped" | "ended" = "unread";

  constructor(reader: BodyReader, source: Source) {
    this.#reader = reader;
    this.#source = source;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          if (this.#state === "unread") {
            this.#state = "read";
            source.wanted();
          }
          source.resume();
        },
        cancel: () => this.drop(),
      },
      { highWaterMark: 0 },
    );
  }

  get unread(): boolean {
    return this.#state === "unread";
  }

  get complete(): boolean {
    return this.#reader.done;
  }

  /** @returns how many bytes were the body's */
  push(bytes: Buffer): number {
    const used = this.#reader.push(bytes, (piece) => {
      if (this.#state === "dropped" || this.#state === "ended") return;
      this.#controller.enqueue(new Uint8Array(piece));
      if ((this.#controller.desiredSize ?? 0) <= 0) this.#source.pause();
    });
    if (this.#reader.done && this.#state !== "dropped" && this.#state !== "ended") {
      this.#state = "ended";
      this.#controller.close();
    }
    return used;
  }

  /** What is still on its way is taken and dropped: the client reads our answer only after it has sent all. */
  drop(): void {
    if (this.#state === "ended") return;
    this.#state = "dropped";
    this.#source.resume();
  }

  /** It does not go on: the client went away in the middle, or what it sends is no body. */
  cut(reason = new Error("unexpected EOF")): void {
    if (this.#state === "dropped" || this.#state === "ended") return;
    this.#state = "ended";
    this.#controller.error(reason);
  }
}
