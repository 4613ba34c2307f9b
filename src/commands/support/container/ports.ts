/** `-p [ip:][host]:container[/proto]`, with ranges, and `--expose`. */
import { isIP } from "../builtin.ts";
import { Failure } from "../failure.ts";

export interface PortBinding {
  HostIp: string;
  HostPort: string;
}

/** @throws Error that says why it is none, in the words of Go's strconv where it is no number */
function ends(range: string): [from: number, to: number] {
  if (range === "") throw new Error("empty string specified for ports");
  const [from, to = from] = range.split("-", 2).map((text) => {
    const reason = /^\d+$/.test(text)
      ? Number(text) > 65535
        ? "value out of range"
        : undefined
      : "invalid syntax";
    if (reason) throw new Error(`strconv.ParseUint: parsing ${JSON.stringify(text)}: ${reason}`);
    return Number(text);
  }) as [number, number?];
  if (to < from) throw new Error(`invalid range specified for port: ${range}`);
  return [from, to];
}

function range(text: string, what: string): [from: number, to: number] {
  try {
    return ends(text);
  } catch {
    throw new Failure(`invalid ${what}: ${text}`);
  }
}

/** `80/udp`; without a protocol TCP. No port: neither. */
function splitProtocol(word: string): { port: string; protocol: string } {
  const [port, protocol] = word.split("/", 2) as [string, string?];
  return { port, protocol: port === "" ? "" : (protocol || "tcp").toLowerCase() };
}

/** The long form's fields, for `-p target=80,published=8080,protocol=tcp`; others mean nothing here, as to docker. */
function fromFields(word: string): string {
  const fields = new Map(
    word.split(",").map((field) => {
      const at = field.indexOf("=");
      if (at < 1) throw new Failure(`invalid publish opts format (should be name=value but got '${field}')`);
      return [field.slice(0, at), field.slice(at + 1)];
    }),
  );
  return `${fields.get("published") ?? ""}:${fields.get("target") ?? ""}/${fields.get("protocol") ?? "tcp"}`;
}

/** An address of the host, IPv6 perhaps in brackets. */
function hostAddress(word: string): string {
  if (word.startsWith("[") && !/^\[[^[\]]*\]$/.test(word))
    throw new Failure(`invalid IP address ${word}: address ${word}:: missing ']' in address`);
  const ip = word.replace(/^\[|\]$/g, "");
  if (ip !== "" && (isIP(ip) === 0 || ip.includes("%"))) throw new Failure(`invalid IP address: ${ip}`);
  return ip;
}

export function parsePublish(words: readonly string[]): {
  exposed: string[];
  bindings: Record<string, PortBinding[]>;
} {
  const exposed: string[] = [];
  const bindings: Record<string, PortBinding[]> = {};
  for (const raw of words) {
    const word = raw.includes("=") ? fromFields(raw) : raw;
    const [, address = "", host = "", last = ""] = /^(?:(?:(.*):)?([^:]*):)?([^:]*)$/.exec(word) ?? [];
    const { port: container, protocol } = splitProtocol(last);
    const ip = hostAddress(address);
    if (container === "") throw new Failure(`no port specified: ${word}<empty>`);
    const [from, to] = range(container, "containerPort");
    const [hostFrom, hostTo] = host === "" ? [0, 0] : range(host, "hostPort");
    if (host !== "" && hostTo - hostFrom !== to - from && to !== from)
      throw new Failure(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
    if (!["tcp", "udp", "sctp"].includes(protocol)) throw new Failure(`invalid proto: ${protocol}`);
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
  if (word.includes(":")) throw new Failure(`invalid port format for --expose: ${word}`);
  const { port, protocol } = splitProtocol(word);
  try {
    const [from, to] = ends(port);
    return Array.from({ length: to - from + 1 }, (_, at) => `${from + at}/${protocol}`);
  } catch (error) {
    throw new Failure(`invalid range format for --expose: ${word}, error: ${(error as Error).message}`);
  }
}
