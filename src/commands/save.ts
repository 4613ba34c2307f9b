/** `save`: images as a tar archive. */
import { isatty } from "./support/builtin.ts";
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { list, string } from "./support/flags.ts";
import { platformQuery } from "./support/image/platform.ts";
import { writeAll } from "./support/output.ts";
import { checkOutputPath, saveTo } from "./support/output-file.ts";

export const command: Command = {
  use: "[OPTIONS] IMAGE [IMAGE...]",
  short: "Save images to a tar archive (to STDOUT unless told)",
  arity: { min: 1 },
  flags: [
    string("output", "o", "Write to a file instead of STDOUT"),
    list("platform", undefined, "Save only the given platform", { type: "strings" }),
  ],
  async run({ args, flags, client }) {
    const output = flags.string("output");
    if (output === "" && isatty(1))
      throw new Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (output !== "") checkOutputPath(output);
    const api = await client();
    const platforms = platformQuery("platform", flags.list("platform"));
    const names = args.map((name) => `names=${encodeURIComponent(name)}`).join("&");
    const answer = await api.request("GET", `/images/get?${names}${platforms}`);
    if (output === "") await answer.body.each((bytes) => writeAll(1, bytes));
    else await saveTo(answer.body, output);
  },
};
