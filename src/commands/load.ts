/** `load`: images from a tar archive. */
import { createReadStream, statSync } from "node:fs";
import { isatty } from "./support/builtin.ts";
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { bool, list, string } from "./support/flags.ts";
import { platformQuery } from "./support/image/platform.ts";
import { showProgress } from "./support/image/progress.ts";

export const command: Command = {
  use: "[OPTIONS]",
  short: "Load images from a tar archive or STDIN",
  arity: { exact: 0 },
  flags: [
    string("input", "i", "Read from a tar archive instead of STDIN"),
    list("platform", undefined, "Load only the given platform", { type: "strings" }),
    bool("quiet", "q", "Suppress the load output"),
  ],
  async run({ flags, client }) {
    const input = flags.string("input");
    if (input === "" && isatty(0)) throw new Failure("requested load from stdin, but stdin is empty");
    if (input !== "" && !statSync(input, { throwIfNoEntry: false }))
      throw new Failure(`open ${input}: no such file or directory`);
    if (input !== "" && statSync(input).isDirectory()) throw new Failure(`read ${input}: is a directory`);
    const api = await client();
    const source =
      input === ""
        ? createReadStream("", { fd: 0, autoClose: false, highWaterMark: 1 << 18 })
        : createReadStream(input, { highWaterMark: 1 << 18 });
    const platforms = platformQuery("platform", flags.list("platform"));
    // The daemon is only quiet where bars would not be seen.
    const quiet = flags.bool("quiet") || !isatty(1);
    const answer = await api.request("POST", `/images/load?quiet=${quiet ? 1 : 0}${platforms}`, {
      body: source as AsyncIterable<Uint8Array>,
      headers: { "Content-Type": "application/x-tar" },
    });
    await showProgress(answer.body, 1);
  },
};
