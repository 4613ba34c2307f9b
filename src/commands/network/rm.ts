/** `network rm`: removes networks. */
import { ApiError } from "../../engine/api/client.ts";
import type { Command } from "../support/command.ts";
import { Failure, messageOf } from "../support/failure.ts";
import { bool } from "../support/flags.ts";
import { err, out } from "../support/output.ts";
import { pathWord } from "../support/path-word.ts";

export const command: Command = {
  use: "NETWORK [NETWORK...]",
  short: "Remove one or more networks",
  arity: { min: 1 },
  flags: [bool("force", "f", "It is no error if a network is not there")],
  async run({ args, flags, client }) {
    const api = await client();
    let failed = false;
    for (const name of args) {
      try {
        await api.send("DELETE", `/networks/${pathWord(name)}`);
        out(`${name}\n`);
      } catch (error) {
        if (flags.bool("force") && error instanceof ApiError && error.status === 404) continue;
        err(`${messageOf(error)}\n`);
        failed = true;
      }
    }
    if (failed) throw new Failure("exit status 1");
  },
};
