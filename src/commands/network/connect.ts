/** `network connect`. */
import type { Command } from "../support/command.ts";
import { checkLink } from "../support/container/words.ts";
import { int, list, string } from "../support/flags.ts";
import { driverOptions, strings } from "../support/network/words.ts";
import { pathWord } from "../support/path-word.ts";

export const command: Command = {
  use: "[OPTIONS] NETWORK CONTAINER",
  short: "Connect a container to a network",
  arity: { exact: 2 },
  flags: [
    strings("alias", "Another name for the container in the network"),
    strings("driver-opt", "Options of the network's driver"),
    int("gw-priority", undefined, "The highest one gives the default route; may be negative"),
    string("ip", undefined, 'IPv4 address (e.g. "172.30.100.104")'),
    string("ip6", undefined, 'IPv6 address (e.g. "2001:db8::33")'),
    list("link", undefined, "Add a link to another container", { parse: checkLink }),
    strings("link-local-ip", "Give the container a link-local address"),
  ],
  async run({ args, flags, client }) {
    const [network, container] = args as [string, string];
    const words = (name: string): string[] => flags.list<string[]>(name).flat();
    const [ip, ip6, linkLocal] = [flags.string("ip"), flags.string("ip6"), words("link-local-ip")];
    const body = {
      Container: container,
      EndpointConfig: {
        IPAMConfig: {
          ...(ip && { IPv4Address: ip }),
          ...(ip6 && { IPv6Address: ip6 }),
          ...(linkLocal.length > 0 && { LinkLocalIPs: linkLocal }),
        },
        Links: flags.list("link"),
        Aliases: words("alias"),
        DriverOpts: driverOptions(words("driver-opt")),
        GwPriority: flags.number("gw-priority"),
      },
    };
    await (await client()).send("POST", `/networks/${pathWord(network)}/connect`, { body });
  },
};
