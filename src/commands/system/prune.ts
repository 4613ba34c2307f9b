/** `system prune`: removes everything that nothing uses. */
import type { Command } from "../support/command.ts";
import { confirm } from "../support/confirm.ts";
import { Failure } from "../support/failure.ts";
import { bool, filter, filterQuery } from "../support/flags.ts";
import { out } from "../support/output.ts";
import { type Pruned, pruneContainers, pruneImages, pruneNamed } from "../support/prune.ts";
import { humanSize } from "../support/units.ts";

export const command: Command = {
  use: "[OPTIONS]",
  short: "Remove unused data",
  arity: { exact: 0 },
  flags: [
    bool("all", "a", "Remove all unused images, not just dangling ones"),
    filter("filter", undefined, 'Conditions to remove by (e.g. "label=<key>=<value>")'),
    bool("force", "f", "Do not ask"),
    bool("volumes", undefined, "Remove anonymous volumes too"),
  ],
  async run({ flags, client }) {
    const all = flags.bool("all");
    const volumes = flags.bool("volumes");
    const filters = flags.list<[string, string]>("filter");
    if (volumes && filters.some(([name]) => name === "until"))
      throw new Failure(`ERROR: The "until" filter is not supported with "--volumes"`);
    const what = ["all stopped containers", "all networks not used by at least one container"];
    if (volumes) what.push("all anonymous volumes not used by at least one container");
    what.push(all ? "all images without at least one container associated to them" : "all dangling images");
    what.push(all ? "all build cache" : "unused build cache");
    let warning = `WARNING! This will remove:\n${what.map((item) => `  - ${item}\n`).join("")}`;
    if (filters.length > 0)
      warning += `\n  Items to be pruned will be filtered with:\n${filters
        .map(([name, value]) => `  - ${name}=${value}\n`)
        .toSorted()
        .join("")}`;
    if (!flags.bool("force") && !(await confirm(`${warning}\nAre you sure you want to continue?`))) return;
    const api = await client();
    const query = filterQuery(filters);
    const steps: (() => Promise<Pruned>)[] = [
      () => pruneContainers(api, query),
      () => pruneNamed(api, "networks", query),
    ];
    if (volumes) steps.push(() => pruneNamed(api, "volumes", query));
    steps.push(() => pruneImages(api, all, filters));
    let total = 0;
    for (const step of steps) {
      const { text, reclaimed } = await step();
      total += reclaimed;
      if (text !== "") out(`${text}\n`);
    }
    out(`Total reclaimed space: ${humanSize(total)}\n`);
  },
};
