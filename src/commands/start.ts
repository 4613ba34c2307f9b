/** `start`: starts stopped containers, with `-a` or `-i` one, connected with it. */
import { isatty } from "./support/builtin.ts";
import type { Command, Context } from "./support/command.ts";
import { detachKeysOf } from "./support/connect.ts";
import { waitFor } from "./support/container/wait.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { bool, string } from "./support/flags.ts";
import { err, out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER [CONTAINER...]",
  short: "Start one or more stopped containers",
  arity: { min: 1 },
  flags: [
    bool("attach", "a", "Attach STDOUT/STDERR and forward signals"),
    string("checkpoint", undefined, "Restore from this checkpoint", { hidden: true }),
    string("checkpoint-dir", undefined, "Use a custom checkpoint storage folder", { hidden: true }),
    string("detach-keys", undefined, "Key sequence that detaches from the container"),
    bool("interactive", "i", "Attach the container's STDIN"),
  ],
  async run(context) {
    const { args, flags, client } = context;
    if (flags.bool("attach") || flags.bool("interactive")) return attached(context);
    const api = await client();
    const failed: string[] = [];
    for (const name of args) {
      try {
        await api.send("POST", `/containers/${pathWord(name)}/start`, {
          query: { checkpoint: flags.string("checkpoint") },
        });
        out(`${name}\n`);
      } catch (error) {
        err(`${messageOf(error)}\n`);
        failed.push(name);
      }
    }
    if (failed.length > 0) throw new Failure(`Error: failed to start containers: ${failed.join(", ")}`);
    return 0;
  },
};

async function attached({ args, flags, client, global }: Context): Promise<number> {
  if (args.length > 1) throw new Failure("you cannot start and attach multiple containers at once");
  const api = await client();
  const container = await api.json<{
    Id: string;
    Config: { Tty: boolean; OpenStdin: boolean };
    HostConfig: { AutoRemove: boolean };
  }>("GET", `/containers/${pathWord(args[0] as string)}/json`);
  const { Id: id, Config: config } = container;
  const { converse } = await import("./support/container/session.ts");
  const forwarding = config.Tty ? undefined : (await import("./support/signals.ts")).forwardSignals(api, id);
  const stdin = flags.bool("interactive") && config.OpenStdin;
  const keys = detachKeysOf(flags, global);
  const connection = await api.upgrade(`/containers/${id}/attach`, {
    query: { stream: 1, stdin, stdout: 1, stderr: 1, detachKeys: keys },
  });
  const exit = await waitFor(api, id, container.HostConfig.AutoRemove ? "removed" : "next-exit");
  const ended = await converse(connection, {
    tty: config.Tty,
    stdin,
    detachKeys: keys,
    begin: async () => {
      await api.send("POST", `/containers/${id}/start`);
      if (config.Tty && isatty(1))
        (await import("./support/terminal.ts")).followSize(api, `/containers/${id}`);
    },
    status: exit.status,
    forwarding,
  });
  return ended === "detached" ? 0 : ended;
}
