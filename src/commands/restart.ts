/** `restart`: stops containers and starts them again. */
import type { Command } from "./support/command.ts";
import { forEach } from "./support/each.ts";
import { int, string } from "./support/flags.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Restart one or more containers",
  arity: { min: 1 },
  flags: [
    string("signal", "s", "Signal to send to the container"),
    int("timeout", "t", "Seconds to wait before killing the container"),
    int("time", undefined, "Seconds to wait before killing the container", {
      deprecated: "use --timeout instead",
    }),
  ],
  async run({ args, flags, client }) {
    const api = await client();
    const t = flags.has("timeout")
      ? flags.number("timeout")
      : flags.has("time")
        ? flags.number("time")
        : undefined;
    const query = { signal: flags.string("signal"), ...(t === undefined ? {} : { t: String(t) }) };
    await forEach(args, async (name) => {
      await api.send("POST", `/containers/${pathWord(name)}/restart`, { query });
      return name;
    });
  },
};
