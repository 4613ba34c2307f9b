/** `rmi`: removes names of images, and the images when those were the last. */
import { ApiError } from "../engine/api/client.ts";
import type { Command } from "./support/command.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { bool, list } from "./support/flags.ts";
import { platformQuery } from "./support/image/platform.ts";
import { err, out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] IMAGE [IMAGE...]",
  short: "Remove one or more images",
  arity: { min: 1 },
  flags: [
    bool("force", "f", "Force the removal of the image"),
    bool("no-prune", undefined, "Do not delete untagged parents"),
    list("platform", undefined, "Remove only the given platform", { type: "strings" }),
  ],
  async run({ args, flags, client }) {
    const api = await client();
    const force = flags.bool("force");
    const noPrune = flags.bool("no-prune") ? "&noprune=1" : "";
    const query = `?force=${force ? 1 : 0}${noPrune}${platformQuery("platforms", flags.list("platform"))}`;
    const errors: string[] = [];
    let fatal = false;
    for (const name of args) {
      try {
        const gone = await api.json<{ Deleted?: string; Untagged?: string }[]>(
          "DELETE",
          `/images/${pathWord(name)}${query}`,
        );
        for (const item of gone)
          out(item.Deleted ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) fatal = true;
        errors.push(messageOf(error));
      }
    }
    if (errors.length === 0) return;
    if (!force || fatal) throw new Failure(errors.join("\n"));
    err(`${errors.join("\n")}\n`);
  },
};
