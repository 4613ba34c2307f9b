/** `top`: the processes of a container, as the host's `ps` shows them. */
import type { Command } from "./support/command.ts";
import { out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";
import { align } from "./support/table.ts";

export const command: Command = {
  use: "CONTAINER [ps OPTIONS]",
  short: "Show the processes of a container",
  arity: { min: 1 },
  flags: [],
  interspersed: false,
  async run({ args, client }) {
    const api = await client();
    const [name, ...options] = args as [string, ...string[]];
    const answer = await api.json<{ Titles: string[]; Processes: string[][] | null }>(
      "GET",
      `/containers/${pathWord(name)}/top`,
      {
        query: { ps_args: options.join(" ") },
      },
    );
    const lines = [answer.Titles, ...(answer.Processes ?? [])].map((cells) => `${cells.join("\t")}\n`);
    out(align(lines.join(""), { minWidth: 20, padding: 3 }));
  },
};
