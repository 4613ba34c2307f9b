/** `image prune`: removes images that nothing uses. */
import type { Command } from "../support/command.ts";
import { confirm } from "../support/confirm.ts";
import { bool, filter } from "../support/flags.ts";
import { out } from "../support/output.ts";
import { pruneImages } from "../support/prune.ts";
import { humanSize } from "../support/units.ts";

export const command: Command = {
  use: "[OPTIONS]",
  short: "Remove unused images",
  arity: { exact: 0 },
  flags: [
    bool("all", "a", "Remove all unused images, not just dangling ones"),
    filter("filter", undefined, 'Conditions to remove by (e.g. "until=<timestamp>")'),
    bool("force", "f", "Do not ask"),
  ],
  async run({ flags, client }) {
    const all = flags.bool("all");
    const what = all ? "all images without at least one container associated to them" : "all dangling images";
    if (
      !flags.bool("force") &&
      !(await confirm(`WARNING! This will remove ${what}.\nAre you sure you want to continue?`))
    )
      return;
    const { text, reclaimed } = await pruneImages(await client(), all, flags.list("filter"));
    if (text !== "") out(`${text}\n`);
    out(`Total reclaimed space: ${humanSize(reclaimed)}\n`);
  },
};
