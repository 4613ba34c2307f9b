/** `network disconnect`. */
import type { Command } from "../support/command.ts";
import { bool } from "../support/flags.ts";
import { pathWord } from "../support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] NETWORK CONTAINER",
  short: "Disconnect a container from a network",
  arity: { exact: 2 },
  flags: [bool("force", "f", "Disconnect it whatever stands in the way")],
  async run({ args, flags, client }) {
    const [network, Container] = args as [string, string];
    const body = { Container, Force: flags.bool("force") };
    await (await client()).send("POST", `/networks/${pathWord(network)}/disconnect`, { body });
  },
};
