/** `-p [ip:][host]:container[/proto]`, with ranges, and `--expose`. */
import { isIP } from "../builtin.ts";
import { Failure } from "../failure.ts";

export interface PortBinding {
  HostIp: string;
  HostPort: string;
}

function range(text: string, what: string): [number, number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (!match || from > 65535 || to > 65535) throw new Failure(`invalid ${what}: ${text}`);
  if (to < from) throw new Failure(`invalid ${what}: ${text}`);
  return [from, to];
}

/** The long form's fields, for `-p target=80,published=8080,protocol=tcp`. */
function fromFields(word: string): string {
  const fields = new Map(word.split(",").map((field) => field.split("=", 2) as [string, string]));
  for (const key of fields.keys()) {
    if (!["target", "published", "protocol", "mode"].includes(key))
      throw new Failure(`invalid field key ${key}`);
  }
  return `${fields.get("published") ?? ""}:${fields.get("target") ?? ""}/${fields.get("protocol") ?? "tcp"}`;
}

export function parsePublish(words: readonly string[]): {
  exposed: string[];
  bindings: Record<string, PortBinding[]>;
} {
  const exposed: string[] = [];
  const bindings: Record<string, PortBinding[]> = {};
  for (const raw of words) {
    const word = /^\w+=/.test(raw) ? fromFields(raw) : raw;
    const [address, given] = word.split("/", 2) as [string, string?];
    const parts = /^(?:(?:(.*):)?([^:]*):)?([^:]+)$/.exec(address);
    if (!parts) throw new Failure(`no port specified: ${word}<empty>`);
    let [, ip = "", host = "", container] = parts as unknown as [string, string?, string?, string?];
    let protocol = given ?? "tcp";
    ip = ip.replace(/^\[|\]$/g, "");
    if (ip !== "" && isIP(ip) === 0) throw new Failure(`invalid IP address: ${ip}`);
    protocol = protocol.toLowerCase();
    if (!["tcp", "udp", "sctp"].includes(protocol)) throw new Failure(`invalid proto: ${protocol}`);
    const [from, to] = range(container as string, "containerPort");
    const [hostFrom, hostTo] = host === "" ? [0, 0] : range(host, "hostPort");
    if (host !== "" && hostTo - hostFrom !== to - from && to !== from)
      throw new Failure(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
    for (let port = from; port <= to; port += 1) {
      const name = `${port}/${protocol}`;
      exposed.push(name);
      const HostPort =
        host === ""
          ? ""
          : to === from && hostTo !== hostFrom
            ? `${hostFrom}-${hostTo}`
            : String(hostFrom + port - from);
      bindings[name] = [...(bindings[name] ?? []), { HostIp: ip, HostPort }];
    }
  }
  return { exposed, bindings };
}

export function parseExpose(word: string): string[] {
  const [ports, protocol = "tcp"] = word.split("/", 2) as [string, string?];
  if (word.includes(":")) throw new Failure(`invalid port format for --expose: ${word}`);
  let ends: [number, number];
  try {
    ends = range(ports, "port");
  } catch {
    const high = ports.split("-").find((end) => Number(end) > 65535);
    const reason = /^\d+(-\d+)?$/.test(ports)
      ? high === undefined
        ? `invalid range specified for port: ${ports}`
        : `strconv.ParseUint: parsing ${JSON.stringify(high)}: value out of range`
      : `strconv.ParseUint: parsing ${JSON.stringify(ports)}: invalid syntax`;
    throw new Failure(`invalid range format for --expose: ${word}, error: ${reason}`);
  }
  return Array.from(
    { length: ends[1] - ends[0] + 1 },
    (_, at) => `${ends[0] + at}/${protocol.toLowerCase()}`,
  );
}
