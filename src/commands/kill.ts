/** `kill`: sends a signal to containers. */
import type { Command } from "./support/command.ts";
import { forEach } from "./support/each.ts";
import { string } from "./support/flags.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Kill one or more running containers",
  arity: { min: 1 },
  flags: [string("signal", "s", "Signal to send to the container")],
  async run({ args, flags, client }) {
    const api = await client();
    await forEach(
      args,
      async (name) => {
        await api.send("POST", `/containers/${pathWord(name)}/kill`, {
          query: { signal: flags.string("signal") },
        });
        return name;
      },
      { parallel: true },
    );
  },
};
