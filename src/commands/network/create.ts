/** `network create`. */
import type { Command } from "../support/command.ts";
import { checkLabel } from "../support/container/words.ts";
import { bool, list, string } from "../support/flags.ts";
import { gatherIpam } from "../support/network/ipam.ts";
import { pair, pairs, strings } from "../support/network/words.ts";
import { out } from "../support/output.ts";

export const command: Command = {
  use: "[OPTIONS] NETWORK",
  short: "Create a network",
  arity: { exact: 1 },
  flags: [
    bool("attachable", undefined, "Let containers be attached by hand"),
    pairs("aux-address", undefined, "Addresses that containers must not get (name=address)"),
    string("config-from", undefined, "Take the configuration of this network"),
    bool("config-only", undefined, "Create a configuration for other networks"),
    string("driver", "d", "Driver of the network", { default: "bridge" }),
    strings("gateway", "Gateway of the subnet, IPv4 or IPv6"),
    bool("ingress", undefined, "Create a swarm's routing network"),
    bool("internal", undefined, "Keep the network from the world outside"),
    strings("ip-range", "Give containers addresses of this range of the subnet"),
    string("ipam-driver", undefined, "Driver for addresses", { default: "default" }),
    pairs("ipam-opt", undefined, "Options of the driver for addresses"),
    bool("ipv4", undefined, "Give containers IPv4 addresses", { default: true }),
    bool("ipv6", undefined, "Give containers IPv6 addresses"),
    list("label", undefined, "Labels of the network", { parse: checkLabel }),
    pairs("opt", "o", "Options of the driver"),
    string("scope", undefined, "How far the network reaches"),
    strings("subnet", "Subnet in CIDR notation"),
  ],
  async run({ args, flags, client }) {
    const words = (name: string): string[] => flags.list<string[]>(name).flat();
    const map = (name: string): Record<string, string> =>
      Object.fromEntries(flags.list<[string, string]>(name));
    const configFrom = flags.string("config-from");
    const body = {
      Name: args[0],
      Driver: flags.string("driver"),
      Scope: flags.string("scope"),
      ...(flags.has("ipv4") && { EnableIPv4: flags.bool("ipv4") }),
      ...(flags.has("ipv6") && { EnableIPv6: flags.bool("ipv6") }),
      IPAM: {
        Driver: flags.string("ipam-driver"),
        Options: map("ipam-opt"),
        Config: gatherIpam({
          subnets: words("subnet"),
          ranges: words("ip-range"),
          gateways: words("gateway"),
          auxiliary: Object.entries(map("aux-address")),
        }),
      },
      Internal: flags.bool("internal"),
      Attachable: flags.bool("attachable"),
      Ingress: flags.bool("ingress"),
      ConfigOnly: flags.bool("config-only"),
      ConfigFrom: configFrom === "" ? null : { Network: configFrom },
      Options: map("opt"),
      Labels: Object.fromEntries(flags.list("label").map(pair)),
    };
    const { Id } = await (await client()).json<{ Id: string }>("POST", "/networks/create", { body });
    out(`${Id}\n`);
  },
};
