/** `export`: a container's file system as a tar archive. */
import { isatty } from "./support/builtin.ts";
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { string } from "./support/flags.ts";
import { writeAll } from "./support/output.ts";
import { checkOutputPath, saveTo } from "./support/output-file.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER",
  short: "Write a container's file system as a tar archive",
  arity: { exact: 1 },
  flags: [string("output", "o", "Write to a file instead of STDOUT")],
  async run({ args, flags, client }) {
    const output = flags.string("output");
    if (output === "" && isatty(1))
      throw new Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (output !== "") checkOutputPath(output, "failed to export container");
    const api = await client();
    const { body } = await api.request("GET", `/containers/${pathWord(args[0] as string)}/export`);
    if (output === "") await body.each((bytes) => writeAll(1, bytes));
    else await saveTo(body, output);
  },
};
