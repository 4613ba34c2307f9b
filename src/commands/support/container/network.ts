/** `--network NAME` and `--network name=NAME,alias=…`, and what goes into the create request for them. */
import { Failure } from "../failure.ts";
import type { ParsedFlags } from "../flags.ts";
import { parseCsv } from "./csv.ts";

export interface NetworkWord {
  target: string;
  aliases: string[];
  driverOpts: Record<string, string>;
  ip?: string;
  ip6?: string;
  mac?: string;
  linkLocal: string[];
  priority?: number;
}

const plain = (target: string): NetworkWord => ({ target, aliases: [], driverOpts: {}, linkLocal: [] });

export function parseNetwork(word: string): NetworkWord {
  if (!word.includes("=") || !/\w=\w/.test(word)) return plain(word);
  const network = plain("");
  for (const field of parseCsv(word)) {
    const at = field.indexOf("=");
    if (at < 1) throw new Error(`invalid field ${field}`);
    const key = field.slice(0, at).trim().toLowerCase();
    const value = field.slice(at + 1).trim();
    if (key === "name") network.target = value;
    else if (key === "alias") network.aliases.push(value);
    else if (key === "ip") network.ip = value;
    else if (key === "ip6") network.ip6 = value;
    else if (key === "mac-address") network.mac = value;
    else if (key === "link-local-ip") network.linkLocal.push(value);
    else if (key === "gw-priority") network.priority = priority(value);
    else if (key === "driver-opt") {
      const equals = value.indexOf("=");
      if (equals < 1) throw new Error("invalid key value pair format in driver options");
      network.driverOpts[value.slice(0, equals).trim()] = value.slice(equals + 1).trim();
    } else throw new Error(`invalid field key ${key}`);
  }
  if (network.target === "") throw new Error("network name/id is not specified");
  return network;
}

function priority(word: string): number {
  if (!/^[+-]?\d+$/.test(word)) throw new Error(`invalid gw-priority (${word}): invalid syntax`);
  return Number(word);
}

/** 6, 8 or 20 bytes, apart by `:`, `-`, or in pairs by `.`. */
const isMac = (word: string): boolean =>
  /^[0-9a-f]{2}(?:(?::[0-9a-f]{2})+|(?:-[0-9a-f]{2})+)$|^[0-9a-f]{4}(?:\.[0-9a-f]{4})+$/i.test(word) &&
  [6, 8, 20].includes(word.replace(/[^0-9a-f]/gi, "").length / 2);

const userDefined = (name: string): boolean =>
  !["default", "bridge", "host", "none"].includes(name) && !name.startsWith("container:");

/** The endpoints of the create request, keyed by network. */
export function endpoints(flags: ParsedFlags): { mode: string; endpoints: Record<string, object> } {
  const words = [...flags.list<NetworkWord>("network"), ...flags.list<NetworkWord>("net")];
  if (words.length === 0) words.push(plain("default"));
  const first = words[0] as NetworkWord;
  applyFlags(first, flags);
  const links = flags.list("link");
  const result: Record<string, object> = {};
  for (const word of words) {
    check(word);
    if (Object.hasOwn(result, word.target))
      throw new Failure(`network ${JSON.stringify(word.target)} is specified multiple times`);
    const address = word.ip || word.ip6 || word.linkLocal.length > 0;
    result[word.target] = {
      IPAMConfig: address
        ? {
            ...(word.ip ? { IPv4Address: word.ip } : {}),
            ...(word.ip6 ? { IPv6Address: word.ip6 } : {}),
            ...(word.linkLocal.length > 0 ? { LinkLocalIPs: word.linkLocal } : {}),
          }
        : null,
      Links: word === first && links.length > 0 && userDefined(word.target) ? links : null,
      Aliases: word.aliases.length > 0 ? word.aliases : null,
      MacAddress: word.mac ?? "",
      DriverOpts: Object.keys(word.driverOpts).length > 0 ? word.driverOpts : null,
      GwPriority: word.priority ?? 0,
      NetworkID: "",
      EndpointID: "",
      Gateway: "",
      IPAddress: "",
      IPPrefixLen: 0,
      IPv6Gateway: "",
      GlobalIPv6Address: "",
      GlobalIPv6PrefixLen: 0,
      DNSNames: null,
    };
  }
  if (words.length > 1 && words.some(({ target }) => userDefined(target) !== userDefined(first.target))) {
    throw new Failure(
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  }
  return { mode: first.target, endpoints: result };
}

/** The flags that are older than `--network name=…` are for the first network. */
function applyFlags(first: NetworkWord, flags: ParsedFlags): void {
  let given = false;
  for (const name of ["network-alias", "net-alias", "link-local-ip", "ip", "ip6", "mac-address"])
    given ||= flags.has(name);
  if (!given) return;
  const aliases = [...flags.list("network-alias"), ...flags.list("net-alias")];
  const linkLocal = flags.list("link-local-ip");
  const [ip, ip6, mac] = [flags.string("ip"), flags.string("ip6"), flags.string("mac-address").trim()];
  const twice: [option: string, what: string, given: unknown, own: unknown][] = [
    ["network-alias", "alias", aliases.length, first.aliases.length],
    ["ip", "IPv4 address", ip, first.ip],
    ["ip6", "IPv6 address", ip6, first.ip6],
    ["mac-address", "MAC address", mac, first.mac],
    ["link-local-ip", "link-local IP addresses", linkLocal.length, first.linkLocal.length],
  ];
  for (const [option, what, given, own] of twice) {
    if (given && own)
      throw new Failure(`conflicting options: cannot specify both --${option} and per-network ${what}`);
  }
  first.aliases.push(...aliases);
  first.linkLocal.push(...linkLocal);
  if (ip) first.ip = ip;
  if (ip6) first.ip6 = ip6;
  if (mac) first.mac = mac;
}

function check({ target, aliases, mac }: NetworkWord): void {
  if (target.trim() === "") throw new Failure("no name set for network");
  if (aliases.length > 0 && !userDefined(target))
    throw new Failure("network-scoped aliases are only supported for user-defined networks");
  if (mac && !isMac(mac)) throw new Failure(`${mac} is not a valid mac address`);
}
