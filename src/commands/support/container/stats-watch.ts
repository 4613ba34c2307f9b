/** Reads the statistics of many containers at once, and keeps the last sample of each. */
import type { ApiClient } from "../../../engine/api/client.ts";
import { messageOf } from "../failure.ts";
import { pathWord } from "../path-word.ts";
import { shortId } from "../units.ts";
import type { Sample, StatsEntry } from "./stats-row.ts";

/** A sample that is older than this is no longer true. */
const STALE_MS = 2000;

interface Watched {
  container: string;
  sample?: Sample;
  invalid: boolean;
  failure?: string;
  timer?: ReturnType<typeof setTimeout>;
}

interface ContainerEvent {
  readonly Action: string;
  readonly Actor: { readonly ID: string };
}

export class StatsWatch {
  readonly stream: boolean;
  /** Rejects when the daemon's events fail, and resolves when they end. */
  readonly broken: Promise<void>;
  readonly #api: ApiClient;
  readonly #watched: Watched[] = [];
  readonly #break = Promise.withResolvers<void>();

  constructor(api: ApiClient, stream: boolean) {
    this.#api = api;
    this.stream = stream;
    this.broken = this.#break.promise;
  }

  entries(): readonly StatsEntry[] {
    return this.#watched;
  }

  failures(): string[] {
    return this.#watched.flatMap(({ failure }) => failure ?? []);
  }

  /** Resolves when each of them has a sample, an error, or has kept us waiting too long. */
  async add(containers: readonly string[]): Promise<void> {
    await Promise.all(
      containers.map((container) => {
        if (this.#watched.some((known) => known.container === container)) return undefined;
        const watched: Watched = { container, invalid: false };
        this.#watched.push(watched);
        return this.#first(watched);
      }),
    );
  }

  #first(watched: Watched): Promise<void> {
    return new Promise((resolve) => {
      const stale = (): void => {
        watched.invalid = true;
        resolve();
      };
      const fresh = (): void => {
        clearTimeout(watched.timer);
        watched.timer = setTimeout(stale, STALE_MS);
        watched.timer.unref();
      };
      fresh();
      this.#read(watched, () => {
        fresh();
        resolve();
      })
        .catch((error) => {
          watched.failure = messageOf(error);
          watched.invalid = true;
        })
        .finally(() => {
          clearTimeout(watched.timer);
          resolve();
        });
    });
  }

  async #read(watched: Watched, got: () => void): Promise<void> {
    const query = this.stream ? { stream: 1 } : { stream: 0 };
    const path = `/containers/${pathWord(watched.container)}/stats`;
    const { body } = await this.#api.request("GET", path, { query });
    await body.eachLine((line) => {
      watched.sample = JSON.parse(line) as Sample;
      watched.invalid = false;
      got();
    });
    // It ended with the daemon, or the container was removed.
    watched.invalid ||= this.stream;
  }

  /** Keeps the list that of the running (or `all`) containers. Resolves when nothing that begins now is missed. */
  async follow(all: boolean): Promise<void> {
    const query = { filters: JSON.stringify({ type: { container: true } }) };
    const { body } = await this.#api.request("GET", "/events", { query });
    const begins = all ? ["start", "create"] : ["start"];
    const ends = all ? ["destroy"] : ["destroy", "die"];
    body
      .eachLine((line) => {
        const { Action, Actor } = JSON.parse(line) as ContainerEvent;
        if (begins.includes(Action)) void this.add([shortId(Actor.ID)]);
        if (ends.includes(Action)) this.#remove(shortId(Actor.ID));
      })
      .then(this.#break.resolve, this.#break.reject);
  }

  #remove(id: string): void {
    const at = this.#watched.findIndex(({ container }) => container === id);
    if (at >= 0) this.#watched.splice(at, 1);
  }
}
