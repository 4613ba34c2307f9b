/** `diff`: what a container has changed in its file system. */
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

const LETTERS = ["C", "A", "D"];

export const command: Command = {
  use: "CONTAINER",
  short: "Show what a container has changed in its file system",
  arity: { exact: 1 },
  flags: [],
  async run({ args, client }) {
    const [name] = args as [string];
    if (name === "") throw new Failure("Container name cannot be empty");
    const api = await client();
    const changes = await api.json<{ Path: string; Kind: number }[] | null>(
      "GET",
      `/containers/${pathWord(name)}/changes`,
    );
    out((changes ?? []).map(({ Kind, Path }) => `${LETTERS[Kind] ?? ""} ${Path}\n`).join(""));
  },
};
