/** `attach`: connects this terminal with a running container. */
import { isatty } from "./support/builtin.ts";
import type { Command } from "./support/command.ts";
import { detachKeysOf } from "./support/connect.ts";
import { watchEnd } from "./support/container/wait.ts";
import { Failure } from "./support/failure.ts";
import { bool, string } from "./support/flags.ts";
import { pathWord } from "./support/path-word.ts";

interface Inspected {
  Id: string;
  State: { Running: boolean; Paused: boolean; Restarting: boolean };
  Config: { Tty: boolean; OpenStdin: boolean };
}

function checkState({ State: state }: Inspected): void {
  if (!state.Running) throw new Failure("You cannot attach to a stopped container, start it first");
  if (state.Paused) throw new Failure("You cannot attach to a paused container, unpause it first");
  if (state.Restarting)
    throw new Failure("You cannot attach to a restarting container, wait until it is running");
}

export const command: Command = {
  use: "[OPTIONS] CONTAINER",
  short: "Attach this terminal to a running container",
  arity: { exact: 1 },
  flags: [
    string("detach-keys", undefined, "Key sequence that detaches from the container"),
    bool("no-stdin", undefined, "Do not attach STDIN"),
    bool("sig-proxy", undefined, "Hand received signals on to the process", { default: true }),
  ],
  async run({ args, flags, client, global }) {
    const api = await client();
    const path = `/containers/${pathWord(args[0] as string)}`;
    const container = await api.json<Inspected>("GET", `${path}/json`);
    checkState(container);
    const { Id: id, Config: config } = container;
    const stdin = !flags.bool("no-stdin") && config.OpenStdin;
    if (!flags.bool("no-stdin") && config.Tty && !isatty(0))
      throw new Failure("the input device is not a TTY");
    const exit = await watchEnd(api, id);
    const { converse } = await import("./support/container/session.ts");
    const forwarding =
      flags.bool("sig-proxy") && !config.Tty
        ? (await import("./support/signals.ts")).forwardSignals(api, id)
        : undefined;
    const keys = detachKeysOf(flags, global);
    const connection = await api.upgrade(`/containers/${id}/attach`, {
      query: { stream: 1, stdin, stdout: 1, stderr: 1, detachKeys: keys },
    });
    // It may have ended between the look and the attaching, and then nothing would ever come.
    checkState(await api.json<Inspected>("GET", `${path}/json`));
    const ended = await converse(connection, {
      tty: config.Tty,
      stdin,
      detachKeys: keys,
      begin: async () => {
        if (config.Tty && isatty(1)) await redraw(api, id);
      },
      status: exit.status,
      forwarding,
    });
    if (ended === "detached") throw new Failure("read escape sequence");
    return ended;
  },
};

/** A change of size, there and back, makes programs in the container draw their screen again. */
async function redraw(api: Parameters<typeof watchEnd>[0], id: string): Promise<void> {
  const { followSize, terminalSize } = await import("./support/terminal.ts");
  const size = terminalSize();
  if (size)
    await api
      .send("POST", `/containers/${id}/resize`, { query: { h: size[0] + 1, w: size[1] + 1 } })
      .catch(() => {});
  followSize(api, `/containers/${id}`);
}
