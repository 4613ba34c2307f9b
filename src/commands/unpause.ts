/** `unpause`: lets frozen processes go on. */
import type { Command } from "./support/command.ts";
import { forEach } from "./support/each.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "CONTAINER [CONTAINER...]",
  short: "Unpause all processes of one or more containers",
  arity: { min: 1 },
  flags: [],
  async run({ args, client }) {
    const api = await client();
    await forEach(
      args,
      async (name) => {
        await api.send("POST", `/containers/${pathWord(name)}/unpause`);
        return name;
      },
      { parallel: true },
    );
  },
};
