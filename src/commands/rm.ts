/** `rm`: removes containers. */
import { ApiError } from "../engine/api/client.ts";
import type { Command } from "./support/command.ts";
import { forEach } from "./support/each.ts";
import { bool } from "./support/flags.ts";
import { err } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Remove one or more containers",
  arity: { min: 1 },
  flags: [
    bool("force", "f", "Force the removal of a running container (uses SIGKILL)"),
    bool("link", "l", "Remove the specified link"),
    bool("volumes", "v", "Remove anonymous volumes of the container"),
  ],
  async run({ args, flags, client }) {
    const api = await client();
    const query = { v: flags.bool("volumes"), link: flags.bool("link"), force: flags.bool("force") };
    await forEach(
      args,
      async (given) => {
        const name = given.replace(/^\/+|\/+$/g, "");
        if (name === "") throw new Error("container name cannot be empty");
        try {
          await api.send("DELETE", `/containers/${pathWord(name)}`, { query });
        } catch (error) {
          // With --force the wish is that it be gone, and it is.
          if (!query.force || !(error instanceof ApiError) || error.status !== 404) throw error;
          err(`${error.message}\n`);
          return undefined;
        }
        return given;
      },
      { parallel: true },
    );
  },
};
