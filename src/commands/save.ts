/** `save`: images as a tar archive. */
import { isatty } from "node:tty";
import { platformJson } from "./rmi.ts";
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { list, string } from "./support/flags.ts";
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
    const platforms = flags.list("platform").map(platformJson);
    const names = args.map((name) => `names=${encodeURIComponent(name)}`).join("&");
    const platform = platforms.length > 0 ? `&platform=${encodeURIComponent(JSON.stringify(platforms))}` : "";
    const answer = await api.request("GET", `/images/get?${names}${platform}`);
    if (output === "") await answer.body.each((bytes) => writeAll(1, bytes));
    else await saveTo(answer.body, output);
  },
};
