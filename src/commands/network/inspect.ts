/** `network inspect`. */
import type { Command } from "../support/command.ts";
import { bool } from "../support/flags.ts";
import { FORMAT_FLAG, inspectAll } from "../support/inspect.ts";
import { pathWord } from "../support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] NETWORK [NETWORK...]",
  short: "Show everything known about networks",
  arity: { min: 1 },
  flags: [FORMAT_FLAG, bool("verbose", "v", "Show what helps to find out what is wrong")],
  async run({ args, flags, client }) {
    const api = await client();
    const query = flags.bool("verbose") ? { verbose: true } : {};
    return inspectAll(args, flags.string("format"), async (name) => ({
      json: await (await api.request("GET", `/networks/${pathWord(name)}`, { query })).body.text(),
      kind: "network",
    }));
  },
};
