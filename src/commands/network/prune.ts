/** `network prune`: removes all networks without containers. */
import type { Command } from "../support/command.ts";
import { confirm } from "../support/confirm.ts";
import { bool, filter, filterQuery } from "../support/flags.ts";
import { out } from "../support/output.ts";
import { pruneNamed } from "../support/prune.ts";

export const command: Command = {
  use: "[OPTIONS]",
  short: "Remove all unused networks",
  arity: { exact: 0 },
  flags: [
    filter("filter", undefined, 'Conditions to remove by (e.g. "until=<timestamp>")'),
    bool("force", "f", "Do not ask"),
  ],
  async run({ flags, client }) {
    const warning =
      "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?";
    if (!flags.bool("force") && !(await confirm(warning))) return;
    const filters = filterQuery(flags.list<[string, string]>("filter"));
    const { text } = await pruneNamed(await client(), "networks", filters);
    if (text !== "") out(`${text}\n`);
  },
};
