/** Verbs that are one request for each of several containers. */
import type { Command } from "../command.ts";
import { forEach } from "../each.ts";
import { pathWord } from "../path-word.ts";

/** @param verb the last word of the request's path */
export const eachContainer = (verb: "pause" | "unpause", short: string): Command => ({
  use: "CONTAINER [CONTAINER...]",
  short,
  arity: { min: 1 },
  flags: [],
  async run({ args, client }) {
    const api = await client();
    await forEach(
      args,
      async (name) => {
        await api.send("POST", `/containers/${pathWord(name)}/${verb}`);
        return name;
      },
      { parallel: true },
    );
  },
});
