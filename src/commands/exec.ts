/** `exec`: runs a command in a running container. */
import { isatty } from "./support/builtin.ts";
import type { Command } from "./support/command.ts";
import { detachKeysOf } from "./support/connect.ts";
import { readPairs } from "./support/container/files.ts";
import { checkEnvironment } from "./support/container/words.ts";
import { Failure } from "./support/failure.ts";
import { bool, list, string } from "./support/flags.ts";
import { pathWord } from "./support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  short: "Run a command in a running container",
  arity: { min: 2 },
  interspersed: false,
  flags: [
    bool("detach", "d", "Run the command in the background"),
    string("detach-keys", undefined, "Key sequence that detaches from the command"),
    list("env", "e", "Set environment variables", { parse: checkEnvironment }),
    list("env-file", undefined, "Read environment variables from a file"),
    bool("interactive", "i", "Keep STDIN open even if not attached"),
    bool("privileged", undefined, "Give extended privileges to the command"),
    bool("tty", "t", "Allocate a pseudo-TTY"),
    string("user", "u", "Username or UID (format: <name|uid>[:<group|gid>])"),
    string("workdir", "w", "Working folder inside the container"),
  ],
  async run({ args, flags, client, global }) {
    const [name, ...words] = args as [string, ...string[]];
    const detached = flags.bool("detach");
    const tty = flags.bool("tty");
    const stdin = flags.bool("interactive") && !detached;
    const keys = detachKeysOf(flags, global);
    const environment = [
      ...flags.list("env-file").flatMap((path) => readPairs(path, (key) => process.env[key])),
      ...flags.list("env"),
    ];
    const size = tty && isatty(1) ? (await import("./support/terminal.ts")).terminalSize() : undefined;
    const api = await client();
    // The daemon's complaint about an unknown container is better than the one about an unknown terminal.
    if (stdin && tty && !isatty(0)) {
      await api.send("GET", `/containers/${pathWord(name)}/json`);
      throw new Failure("the input device is not a TTY");
    }
    const body = {
      User: flags.string("user"),
      Privileged: flags.bool("privileged"),
      Tty: tty,
      ...(size ? { ConsoleSize: size } : {}),
      AttachStdin: stdin,
      AttachStderr: !detached,
      AttachStdout: !detached,
      DetachKeys: keys,
      Env: environment.length > 0 ? environment : null,
      WorkingDir: flags.string("workdir"),
      Cmd: words,
    };
    const warmed = detached ? undefined : api.warm(1).catch(() => {});
    const { Id: id } = await api.json<{ Id: string }>("POST", `/containers/${pathWord(name)}/exec`, { body });
    if (!id) throw new Failure("exec ID empty");
    await warmed;
    if (detached) {
      await api.send("POST", `/exec/${id}/start`, { body: { Detach: true, Tty: tty } });
      return 0;
    }
    const connection = await api.upgrade(`/exec/${id}/start`, {
      body: { Detach: false, Tty: tty, ...(size ? { ConsoleSize: size } : {}) },
    });
    const { rawFor, stream } = await import("./support/stream.ts");
    const streaming = stream(connection, {
      ...(await rawFor({ tty: tty, stdin: stdin })),
      tty,
      stdin,
      stdout: true,
      stderr: true,
      detachKeys: keys,
    });
    try {
      if (tty && isatty(1)) (await import("./support/terminal.ts")).followSize(api, `/exec/${id}`);
      if ((await streaming.ended) === "detached") throw new Failure("read escape sequence");
    } finally {
      streaming.restore();
    }
    const { ExitCode } = await api.json<{ ExitCode: number | null }>("GET", `/exec/${id}/json`);
    return ExitCode ?? 0;
  },
};
