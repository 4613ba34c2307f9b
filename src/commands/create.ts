/** `create`: makes a container without starting it. */
import type { Command } from "./support/command.ts";
import { type CreateBody, createBody } from "./support/container/config.ts";
import { checkPull, createContainer } from "./support/container/create.ts";
import { CONTAINER_FLAGS } from "./support/container/flags.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { out } from "./support/output.ts";

export const command: Command = {
  use: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  short: "Create a new container",
  arity: { min: 1 },
  interspersed: false,
  flags: CONTAINER_FLAGS,
  async run({ args, flags, client, global, program }) {
    let body: CreateBody;
    try {
      checkPull(flags);
      body = createBody(flags, args, false);
    } catch (error) {
      throw new Failure(
        `${program}: ${messageOf(error)}\n\nRun '${program} create --help' for more information`,
        125,
      );
    }
    const created = await createContainer(await client(), body, flags, global);
    out(`${created.Id}\n`);
  },
};
