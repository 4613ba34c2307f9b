/** `stop`: asks the containers' processes to end, then kills what is left. */
import type { Command } from "./support/command.ts";
import { forEach } from "./support/each.ts";
import { pathWord } from "./support/path-word.ts";
import { STOP_FLAGS, stopQuery } from "./support/stop-options.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Stop one or more running containers",
  arity: { min: 1 },
  flags: STOP_FLAGS,
  async run({ args, flags, client }) {
    const api = await client();
    const query = stopQuery(flags);
    await forEach(
      args,
      async (name) => {
        await api.send("POST", `/containers/${pathWord(name)}/stop`, { query });
        return name;
      },
      { parallel: true },
    );
  },
};
