/** `wait`: blocks until containers stop and prints their exit codes. */
import type { Command } from "./support/command.ts";
import { forEach } from "./support/each.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "CONTAINER [CONTAINER...]",
  short: "Wait until containers stop, then print their exit codes",
  arity: { min: 1 },
  flags: [],
  async run({ args, client }) {
    const api = await client();
    await forEach(args, async (name) => {
      const answer = await api.json<{ StatusCode: number; Error?: { Message: string } | null }>(
        "POST",
        `/containers/${pathWord(name)}/wait`,
      );
      if (answer.Error?.Message) throw new Error(answer.Error.Message);
      return String(answer.StatusCode);
    });
  },
};
