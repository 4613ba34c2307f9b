/** `port`: where a container's ports are published. */
import type { Command } from "./support/command.ts";
import { Failure } from "./support/failure.ts";
import { naturalOrder } from "./support/natural-order.ts";
import { out } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";

type Bindings = Record<string, { HostIp: string; HostPort: string }[] | null>;

const address = ({ HostIp, HostPort }: { HostIp: string; HostPort: string }): string =>
  HostIp.includes(":") ? `[${HostIp}]:${HostPort}` : `${HostIp}:${HostPort}`;

export const command: Command = {
  use: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  short: "List port mappings of a container",
  arity: { range: [1, 2] },
  flags: [],
  async run({ args, client }) {
    const api = await client();
    const [name, wanted] = args as [string, string?];
    const container = await api.json<{ NetworkSettings?: { Ports?: Bindings | null } }>(
      "GET",
      `/containers/${pathWord(name)}/json`,
    );
    const ports = container.NetworkSettings?.Ports ?? {};
    const print = (lines: readonly string[]) =>
      out(
        lines
          .toSorted(naturalOrder)
          .map((line) => `${line}\n`)
          .join(""),
      );
    if (!wanted) {
      return print(
        Object.entries(ports).flatMap(([port, bindings]) =>
          (bindings ?? []).map((binding) => `${port} -> ${address(binding)}`),
        ),
      );
    }
    const at = wanted.indexOf("/");
    const number = at < 0 ? wanted : wanted.slice(0, at);
    const protocol = (at < 0 ? "" : wanted.slice(at + 1)) || "tcp";
    const reason = !/^\d+$/.test(number)
      ? "invalid syntax"
      : Number(number) > 65535
        ? "value out of range"
        : "";
    if (reason !== "")
      throw new Failure(
        `Error: invalid port (${number}): strconv.ParseUint: parsing ${JSON.stringify(number)}: ${reason}`,
      );
    const bindings = ports[`${number}/${protocol}`];
    if (!bindings || bindings.length === 0)
      throw new Failure(`Error: No public port '${wanted}' published for ${name}`);
    print(bindings.map(address));
  },
};
