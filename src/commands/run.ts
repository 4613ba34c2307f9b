/** `run`: creates a container, connects with it, starts it, and ends as it ends. */
import type { ApiClient } from "../engine/api/client.ts";
import { isatty } from "./support/builtin.ts";
import type { Command, Context } from "./support/command.ts";
import { detachKeysOf } from "./support/connect.ts";
import { type CreateBody, createBody } from "./support/container/config.ts";
import { checkPull, createContainer } from "./support/container/create.ts";
import { CONTAINER_FLAGS } from "./support/container/flags.ts";
import { waitFor } from "./support/container/wait.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { bool, string } from "./support/flags.ts";
import { out } from "./support/output.ts";
import { forwardSignals } from "./support/signals.ts";
import { rawFor, stream } from "./support/stream.ts";

export const command: Command = {
  use: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  short: "Create and run a new container from an image",
  arity: { min: 1 },
  interspersed: false,
  flags: [
    ...CONTAINER_FLAGS,
    bool("detach", "d", "Run the container in the background and print its ID"),
    string("detach-keys", undefined, "Key sequence that detaches from the container"),
    bool("sig-proxy", undefined, "Hand received signals on to the process", { default: true }),
  ],
  run(context) {
    const { program } = context;
    return run(context, (error) => {
      const message = messageOf(error);
      const status = error instanceof UsageFailure ? 125 : statusOf(message);
      return new Failure(
        `${program}: ${message}\n\nRun '${program} run --help' for more information`,
        status,
      );
    });
  },
};

/** A mistake in the flags, which has nothing to do with the program in the container. */
class UsageFailure extends Error {}

/** Shells tell these apart: not found, not executable, and everything else. */
function statusOf(message: string): number {
  if (
    /executable file not found|no such file or directory|system cannot find the file specified/.test(message)
  )
    return 127;
  return /permission denied|is a directory/.test(message) ? 126 : 125;
}

/** Says of an error that it was this command's, with the status it deserves. */
type Explain = (error: unknown) => Failure;

const rethrow =
  (explain: Explain) =>
  (error: unknown): never => {
    throw explain(error);
  };

async function run({ args, flags, client, global }: Context, explain: Explain): Promise<number> {
  const detached = flags.bool("detach");
  let body: CreateBody;
  try {
    checkPull(flags);
    body = createBody(flags, args, detached);
  } catch (error) {
    throw explain(new UsageFailure(messageOf(error)));
  }
  if (detached && flags.list("attach").length > 0)
    throw new Failure("conflicting options: cannot specify both --attach and --detach");
  if (body.AttachStdin && body.Tty && !isatty(0)) throw new Failure("the input device is not a TTY");
  const api = await client();
  const attached = body.AttachStdin || body.AttachStdout || body.AttachStderr;
  if (body.Tty) {
    const { terminalSize } = await import("./support/terminal.ts");
    body.HostConfig.ConsoleSize = terminalSize() ?? [0, 0];
  }
  // Then its request goes out at once, before what comes after it is loaded.
  await api.warm(1).catch(() => {});
  const creating = createContainer(api, body, flags, global).catch(rethrow(explain));
  if (!attached) {
    const created = await creating;
    // The id first: a container that does not start is there all the same.
    out(`${created.Id}\n`);
    await api.send("POST", `/containers/${created.Id}/start`).catch(rethrow(explain));
    return 0;
  }
  // While the container is being made, the calls that follow get a connection each.
  creating.catch(() => {});
  await api.warm(2).catch(() => {});
  const keys = detachKeysOf(flags, global);
  const proxy = flags.bool("sig-proxy");
  const { Id: id } = await creating;
  return attachedRun(api, id, body, { keys, proxy, explain });
}

interface RunOptions {
  readonly keys: string;
  readonly proxy: boolean;
  readonly explain: Explain;
}

async function attachedRun(
  api: ApiClient,
  id: string,
  body: CreateBody,
  options: RunOptions,
): Promise<number> {
  const { keys, proxy, explain } = options;
  const query = {
    stream: 1,
    stdin: body.AttachStdin,
    stdout: body.AttachStdout,
    stderr: body.AttachStderr,
    detachKeys: keys,
  };
  // Both are there before the start, so that nothing of a short life is missed: told so by us, or waited for by a daemon
  // that starts no sooner. Nobody else knows of the id yet.
  const [first, last] = api.keepsOrder ? [{ "Tsd-Order": id }, { "Tsd-Order": `${id}; after=2` }] : [{}, {}];
  const asked = Promise.all([
    api.upgrade(`/containers/${id}/attach`, { query, headers: first }),
    waitFor(api, id, body.HostConfig.AutoRemove ? "removed" : "next-exit", first),
  ]);
  const start = () => api.send("POST", `/containers/${id}/start`, { headers: last }).catch(rethrow(explain));
  const starting = api.keepsOrder ? start() : undefined;
  asked.catch(() => {});
  starting?.catch(() => {});
  // To the end of this program, which comes with the container's.
  if (proxy) forwardSignals(api, id);
  const [connection, exit] = await asked;
  const streaming = stream(connection, {
    ...(await rawFor({ tty: body.Tty, stdin: body.AttachStdin })),
    tty: body.Tty,
    stdin: body.AttachStdin,
    stdout: body.AttachStdout,
    stderr: body.AttachStderr,
    detachKeys: keys,
  });
  try {
    await (starting ?? start());
    if (body.Tty && isatty(1)) (await import("./support/terminal.ts")).followSize(api, `/containers/${id}`);
    const over = await Promise.race([streaming.ended, exit.status.then(() => "exited" as const)]);
    if (over === "detached") return 0;
    if (over === "exited" && (body.AttachStdout || body.AttachStderr)) await streaming.ended;
    return await exit.status;
  } catch (error) {
    if (body.HostConfig.AutoRemove) await exit.status.catch(() => {});
    throw error;
  } finally {
    streaming.restore();
  }
}
