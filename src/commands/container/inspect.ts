/** `container inspect`. */
import type { Command } from "../support/command.ts";
import { bool } from "../support/flags.ts";
import { FORMAT_FLAG, inspectAll } from "../support/inspect.ts";
import { pathWord } from "../support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Show everything known about containers",
  arity: { min: 1 },
  flags: [FORMAT_FLAG, bool("size", "s", "Show total file sizes")],
  async run({ args, flags, client }) {
    const api = await client();
    const query = { size: flags.bool("size") };
    return inspectAll(args, flags.string("format"), async (name) => ({
      json: await (await api.request("GET", `/containers/${pathWord(name)}/json`, { query })).body.text(),
      kind: "container",
    }));
  },
};
