/** `logout`: forgets who the user is at a registry. */
import type { Command } from "./support/command.ts";
import { messageOf } from "./support/failure.ts";
import { err, out } from "./support/output.ts";
import { HUB } from "./support/registry/account.ts";
import { hostnameOf } from "./support/registry/config-auths.ts";
import { erase } from "./support/registry/credentials.ts";

export const command: Command = {
  use: "[SERVER]",
  short: "Log out of a registry",
  long: "Log out of a registry: Docker Hub, unless another one is named.",
  arity: { max: 1 },
  flags: [],
  async run({ args, global }) {
    const server = args[0] || HUB;
    const host = server === HUB ? HUB : hostnameOf(server);
    // Clients of long ago kept them by URL.
    const names = new Set(server === HUB ? [HUB] : [server, host, `http://${host}`, `https://${host}`]);
    out(`Removing login credentials for ${host}\n`);
    const failures: string[] = [];
    for (const name of names) {
      try {
        await erase(global, name);
      } catch (error) {
        failures.push(`${name}: ${messageOf(error)}\n`);
      }
    }
    if (failures.length === names.size) err(`WARNING: could not erase credentials:\n${failures.join("")}`);
  },
};
