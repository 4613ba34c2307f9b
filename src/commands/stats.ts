/** `stats`: what containers use, once or as it changes. */
import type { ApiClient } from "../engine/api/client.ts";
import type { Command } from "./support/command.ts";
import { readConfig } from "./support/connect.ts";
import { HEADERS, type StatsEntry, statsRow, TABLE } from "./support/container/stats-row.ts";
import { StatsWatch } from "./support/container/stats-watch.ts";
import { Failure } from "./support/failure.ts";
import { bool, string } from "./support/flags.ts";
import { renderListing } from "./support/format.ts";
import { out } from "./support/output.ts";
import { shortId } from "./support/units.ts";

const REFRESH_MS = 500;
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

export const command: Command = {
  use: "[OPTIONS] [CONTAINER...]",
  short: "Show what containers use, as it changes",
  arity: { min: 0 },
  flags: [
    bool("all", "a", "Show all containers (only running ones otherwise)"),
    string("format", undefined, "Shape the output: 'table', 'table TEMPLATE', 'json', or a Go template"),
    bool("no-stream", undefined, "Show one reading, then end"),
    bool("no-trunc", undefined, "Do not truncate output"),
  ],
  async run({ args, flags, client, global }) {
    const api = await client();
    const stream = !flags.bool("no-stream");
    const format = flags.string("format") || (readConfig(global).statsFormat ?? "");
    const full = flags.bool("no-trunc");
    const watch = new StatsWatch(api, stream);
    if (args.length > 0) {
      await watch.add(args);
      const failures = watch.failures();
      if (failures.length > 0) throw new Failure(failures.join("\n"));
    } else await watchAll(api, watch, flags.bool("all"));
    const text = (entries: readonly StatsEntry[]): string =>
      renderListing({
        format,
        headers: HEADERS,
        table: TABLE,
        rows: entries.map((entry) => statsRow(entry, full)),
      });
    if (!stream) {
      out(text(watch.entries()));
      return;
    }
    await Promise.race([refresh(watch, args.length === 0, text), watch.broken]);
  },
};

/** Begins to listen before it asks what there is, so that no container is missed between. */
async function watchAll(api: ApiClient, watch: StatsWatch, all: boolean): Promise<void> {
  if (watch.stream) await watch.follow(all);
  const containers = await api.json<{ Id: string }[]>("GET", "/containers/json", {
    query: all ? { all: 1 } : {},
  });
  await watch.add(containers.map(({ Id }) => shortId(Id)));
}

/** Draws every half second over what it drew before; ends when the last of the named containers is gone. */
async function refresh(
  watch: StatsWatch,
  all: boolean,
  text: (entries: readonly StatsEntry[]) => string,
): Promise<void> {
  for (;;) {
    await Bun.sleep(REFRESH_MS);
    const entries = watch.entries();
    if (entries.length === 0 && !all) {
      out(`${HOME}${CLEAR_BELOW}`);
      return;
    }
    const lines = text(entries).split("\n");
    out(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join("")}${CLEAR_BELOW}`);
  }
}
