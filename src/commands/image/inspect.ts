/** `image inspect`. */

import type { Command } from "../support/command.ts";
import { string } from "../support/flags.ts";
import { parsePlatform } from "../support/image/platform.ts";
import { FORMAT_FLAG, inspectAll } from "../support/inspect.ts";
import { pathWord } from "../support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] IMAGE [IMAGE...]",
  short: "Show everything known about images",
  arity: { min: 1 },
  flags: [FORMAT_FLAG, string("platform", undefined, "Show the given platform of the image")],
  async run({ args, flags, client }) {
    const api = await client();
    const platform = flags.string("platform");
    const query = {
      platform: platform ? JSON.stringify(parsePlatform(platform, "invalid platform")) : undefined,
    };
    return inspectAll(args, flags.string("format"), async (name) => ({
      json: await (await api.request("GET", `/images/${pathWord(name)}/json`, { query })).body.text(),
      kind: "image",
    }));
  },
};
