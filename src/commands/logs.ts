/** `logs`: what a container has written, and, followed, what it writes. */
import type { Command } from "./support/command.ts";
import { bool, string } from "./support/flags.ts";
import { FrameWriter } from "./support/frames.ts";
import { writeAll } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER",
  short: "Show the logs of a container",
  arity: { exact: 1 },
  flags: [
    bool("details", undefined, "Show extra details that the logging driver keeps"),
    bool("follow", "f", "Go on with what is written from now on"),
    string("since", undefined, 'Show logs since a time ("2013-01-02T13:23:37Z") or for so long ("42m")'),
    string("tail", "n", "Number of lines to show from the end", { default: "all" }),
    bool("timestamps", "t", "Show timestamps"),
    string(
      "until",
      undefined,
      'Show logs before a time ("2013-01-02T13:23:37Z") or until so long ago ("42m")',
    ),
  ],
  async run({ args, flags, client }) {
    const api = await client();
    const path = `/containers/${pathWord(args[0] as string)}`;
    const container = await api.json<{ Config: { Tty: boolean } }>("GET", `${path}/json`);
    const time = async (name: string): Promise<string | undefined> => {
      if (flags.string(name) === "") return undefined;
      const { timestamp } = await import("./support/time.ts");
      try {
        return timestamp(flags.string(name));
      } catch (error) {
        throw new Error(`invalid value for ${JSON.stringify(name)}: ${(error as Error).message}`);
      }
    };
    const query = {
      stdout: 1,
      stderr: 1,
      since: await time("since"),
      until: await time("until"),
      timestamps: flags.bool("timestamps"),
      follow: flags.bool("follow"),
      details: flags.bool("details"),
      tail: flags.string("tail"),
    };
    const answer = await api.request("GET", `${path}/logs`, { query });
    const frames = new FrameWriter();
    await answer.body.each(
      container.Config.Tty ? (bytes) => writeAll(1, bytes) : (bytes) => frames.push(bytes),
    );
  },
};
