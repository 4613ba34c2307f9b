/** The addresses that a daemon may listen on: `unix:///path`, `tcp://host:port`, `fd://`. */
import { isIP } from "node:net";

export type Address =
  | { kind: "unix"; path: string; text: string }
  | { kind: "tcp"; host: string; port: number; text: string }
  /** A socket that was opened for us; an empty `name` means all of them. */
  | { kind: "fd"; name: string; text: string };

/** Where Docker's clients look when nobody tells them where. */
export const DEFAULT_SOCKET = "/var/run/docker.sock";
const PORT = 2375;
const TLS_PORT = 2376;

/** What is wrong with an address; undefined when nothing is. */
export function checkHost(value: string): string | undefined {
  try {
    parseHost(value, false);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** @throws Error in dockerd's words */
export function parseHost(value: string, tls: boolean): Address {
  const address = value.trim();
  const at = address.indexOf("://");
  const protocol = at < 0 ? (address === "" ? "unix" : "tcp") : address.slice(0, at);
  const rest = at < 0 ? address : address.slice(at + 3);
  switch (protocol) {
    case "unix":
      if (rest.includes("://"))
        throw new Error(`invalid bind address (${address}): invalid unix address: ${rest}`);
      return { kind: "unix", path: rest || DEFAULT_SOCKET, text: `unix://${rest || DEFAULT_SOCKET}` };
    case "fd":
      return { kind: "fd", name: rest === "*" ? "" : rest, text: address };
    case "tcp":
      return parseTcp(address, rest, tls);
    default:
      throw new Error(`invalid bind address (${address}): unsupported proto '${protocol}'`);
  }
}

function parseTcp(address: string, rest: string, tls: boolean): Address {
  const wrong = (problem: string) => new Error(`invalid bind address (${address}): ${problem}`);
  if (rest.includes("/")) throw wrong("should not contain a path element");
  const parts = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(rest);
  if (!parts) throw wrong(`address ${rest}: too many colons in address`);
  const host = parts[1] ?? parts[2] ?? "";
  const port = parts[3] ? Number(parts[3]) : tls ? TLS_PORT : PORT;
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw wrong(`invalid port: ${parts[3]}`);
  const name = host || "localhost";
  return { kind: "tcp", host: name, port, text: `tcp://${isIP(name) === 6 ? `[${name}]` : name}:${port}` };
}

export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || /^::ffff:127\./i.test(host);
}
