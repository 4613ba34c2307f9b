/** `history`: the steps that an image was built by. */

import { TYPE } from "../engine/template/values.ts";
import type { Command } from "./support/command.ts";
import { bool, string } from "./support/flags.ts";
import { printListing, type Row } from "./support/format.ts";
import { parsePlatform } from "./support/image/platform.ts";
import { out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";
import { localTime } from "./support/time.ts";
import { ellipsis, humanDuration, humanSize, shortId } from "./support/units.ts";

interface Step {
  Id: string;
  Created: number;
  CreatedBy: string;
  Size: number;
  Comment: string;
}

const HEADERS = {
  ID: "IMAGE",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
};

export const command: Command = {
  use: "[OPTIONS] IMAGE",
  short: "Show the history of an image",
  arity: { exact: 1 },
  flags: [
    string("format", undefined, "Shape the output: 'table', 'table TEMPLATE', 'json', or a Go template"),
    bool("human", "H", "Print sizes and dates in readable form", { default: true }),
    bool("no-trunc", undefined, "Do not shorten anything"),
    string("platform", undefined, "Show the history of the given platform"),
    bool("quiet", "q", "Show image IDs only"),
  ],
  async run({ args, flags, client }) {
    const api = await client();
    const platform = flags.string("platform");
    const query = {
      platform: platform ? JSON.stringify(parsePlatform(platform, "invalid platform")) : undefined,
    };
    const steps = await api.json<Step[]>("GET", `/images/${pathWord(args[0] as string)}/history`, { query });
    const full = flags.bool("no-trunc");
    const human = flags.bool("human");
    const id = (step: Step): string => (full ? step.Id : shortId(step.Id));
    if (flags.bool("quiet") && flags.string("format") === "") {
      out(steps.map((step) => `${id(step)}\n`).join(""));
      return;
    }
    const rows = steps.map((step): Row => {
      const by = step.CreatedBy.replaceAll("\t", " ");
      const epoch = step.Created <= 0;
      return {
        [TYPE]: "*image.historyContext",
        ID: id(step),
        CreatedAt: epoch ? "" : localTime(new Date(step.Created * 1000).toISOString()),
        CreatedSince: !human
          ? localTime(new Date(step.Created * 1000).toISOString())
          : epoch
            ? "N/A"
            : `${humanDuration(Date.now() - step.Created * 1000)} ago`,
        CreatedBy: full ? by : ellipsis(by, 45),
        Size: human ? humanSize(step.Size, 3) : String(step.Size),
        Comment: step.Comment,
      };
    });
    const since = human ? "{{.CreatedSince}}" : "{{.CreatedAt}}";
    printListing({
      format: flags.string("format"),
      headers: HEADERS,
      table: `{{.ID}}\t${since}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`,
      rows,
    });
  },
};
