/** The lines of `docker pull`, one state of one layer at a time. */
import type { LayerState } from "./layers.ts";
import type { Descriptor, ProgressSink } from "./types.ts";

/** Twelve hexadecimal digits, as ids are shown. */
export const short = (digest: string): string => digest.replace(/^[a-z0-9]+:/, "").slice(0, 12);

const EVERY_MILLISECONDS = 100;

export class PullProgress {
  readonly #sink: ProgressSink;
  readonly #layers: readonly Descriptor[];
  readonly #last = new Map<string, number>();
  /** A layer may be in an image twice; each line is said once. */
  readonly #said = new Set<string>();

  constructor(sink: ProgressSink, layers: readonly Descriptor[]) {
    this.#sink = sink;
    this.#layers = layers;
  }

  start(): void {
    for (const { digest } of this.#layers) this.#once(digest, "Pulling fs layer", {});
  }

  report(layer: Descriptor, state: LayerState): void {
    const { digest, size } = layer;
    switch (state.kind) {
      case "exists":
        this.#once(digest, "Already exists", { hidecounts: true });
        break;
      case "downloading": {
        const now = performance.now();
        if (now - (this.#last.get(digest) ?? 0) < EVERY_MILLISECONDS) return;
        this.#last.set(digest, now);
        this.#sink({
          status: "Downloading",
          progressDetail: { current: state.current, total: size },
          id: short(digest),
        });
        break;
      }
      case "downloaded":
        this.#once(digest, "Download complete", { hidecounts: true });
        break;
      case "extracting":
        this.#once(digest, "Extracting", { current: 1, units: "s" });
        break;
      case "complete":
        this.#once(digest, "Pull complete", { hidecounts: true });
        break;
    }
  }

  #once(digest: string, status: string, progressDetail: object): void {
    const line = `${digest} ${status}`;
    if (this.#said.has(line)) return;
    this.#said.add(line);
    this.#sink({ status, progressDetail, id: short(digest) });
  }
}
