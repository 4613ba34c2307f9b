/** `tsrunc events ID`: a line of JSON for what the container uses, every so often, and for each time it ran out of memory. */

import { parseDuration } from "../support/duration.ts";
import type { Verb } from "../tsrunc.ts";
import { UsageError } from "./flags.ts";
import { type ContainerState, StateStore } from "./state-store.ts";
import { oomKills, statsOf } from "./stats-event.ts";

const INTERVAL_MS = 5000;
/** How often to look whether memory ran out, and whether the container still runs. */
const LOOK_MS = 100;
const NANOSECONDS = 1e6;
/** What no limit is in 64 bits. */
const LARGEST = 18_446_744_073_709_551_615n;

const rawJson = (JSON as unknown as { rawJSON(text: string): object }).rawJSON;

/** JavaScript would round what is larger than its safe integers when it prints it. */
const exact = (_key: string, value: unknown): unknown => {
  if (typeof value !== "number" || Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
  return rawJson(String(Number.isFinite(value) ? BigInt(value) : LARGEST));
};

const say = (event: { type: "stats" | "oom"; id: string; data?: object }): void =>
  console.log(JSON.stringify(event, exact));

export const verb: Verb = {
  flags: { interval: { kind: "value" }, stats: { kind: "switch" } },
  usage: "[--stats] [--interval DURATION] ID",
  words: [1, 1],
  async run([id = ""], flags, context) {
    const store = new StateStore(context.root);
    const state = store.load(id);
    const interval = intervalOf(flags.value("interval"));
    if (store.status(state) === "stopped") throw new Error(`container with id ${id} is not running`);
    if (flags.on("stats")) say({ type: "stats", id, data: await statsOf(state.cgroup) });
    else await watch(store, state, interval);
    return 0;
  },
};

function intervalOf(text: string | undefined): number {
  if (text === undefined) return INTERVAL_MS;
  let interval: number;
  try {
    interval = parseDuration(text) / NANOSECONDS;
  } catch {
    throw new UsageError(`invalid value ${JSON.stringify(text)} for flag -interval: parse error`);
  }
  if (interval <= 0) throw new Error("duration interval must be greater than 0");
  return interval;
}

/** Until the container ends. */
async function watch(store: StateStore, state: ContainerState, interval: number): Promise<void> {
  const { id, cgroup } = state;
  let killed = oomKills(cgroup);
  let next = performance.now() + interval;
  for (;;) {
    await Bun.sleep(Math.max(0, Math.min(LOOK_MS, next - performance.now())));
    const stopped = store.status(state) === "stopped";
    for (const now = oomKills(cgroup); killed < now; killed++) say({ type: "oom", id });
    if (stopped) return;
    if (performance.now() < next) continue;
    say({ type: "stats", id, data: await statsOf(cgroup) });
    next += interval;
  }
}
