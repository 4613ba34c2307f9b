/** `rename`. */
import type { Command } from "./support/command.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { err } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "CONTAINER NEW_NAME",
  short: "Rename a container",
  arity: { exact: 2 },
  flags: [],
  async run({ args, client }) {
    const [from, to] = args.map((word) => word.trim()) as [string, string];
    if (from === "" || to === "") throw new Failure("Error: Neither old nor new names may be empty");
    const api = await client();
    try {
      await api.send("POST", `/containers/${pathWord(from)}/rename`, { query: { name: to } });
    } catch (error) {
      err(`${messageOf(error)}\n`);
      throw new Failure(`Error: failed to rename container named ${from}`);
    }
  },
};
