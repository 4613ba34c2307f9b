/** `container prune`: removes all stopped containers. */
import type { Command } from "../support/command.ts";
import { confirm } from "../support/confirm.ts";
import { bool, filter, filterQuery } from "../support/flags.ts";
import { out } from "../support/output.ts";
import { pruneContainers } from "../support/prune.ts";
import { humanSize } from "../support/units.ts";

export const command: Command = {
  use: "[OPTIONS]",
  short: "Remove all stopped containers",
  arity: { exact: 0 },
  flags: [
    filter("filter", undefined, 'Conditions to remove by (e.g. "until=<timestamp>")'),
    bool("force", "f", "Do not ask"),
  ],
  async run({ flags, client }) {
    const warning = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?";
    if (!flags.bool("force") && !(await confirm(warning))) return;
    const { text, reclaimed } = await pruneContainers(await client(), filterQuery(flags.list("filter")));
    if (text !== "") out(`${text}\n`);
    out(`Total reclaimed space: ${humanSize(reclaimed)}\n`);
  },
};
