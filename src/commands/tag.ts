/** `tag`: gives an image another name. */
import type { Command } from "./support/command.ts";
import { parseReference } from "./support/image/reference.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  short: "Give an image another name",
  arity: { exact: 2 },
  flags: [],
  async run({ args, client }) {
    const [source, target] = args as [string, string];
    const name = parseReference(
      target,
      `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag`,
    );
    const api = await client();
    await api.send("POST", `/images/${pathWord(source)}/tag`, {
      query: { repo: name.repository, tag: name.tag ?? "latest" },
    });
  },
};
