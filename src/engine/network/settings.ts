/** A container's networks as it asks for them. */
import type { EndpointConfig, EndpointSettings } from "../container/config.ts";
import type { Container } from "../container/container.ts";
import { EngineError } from "../errors.ts";
import { ENDPOINT_SYSCTLS } from "./driver-options.ts";
import { contains, formatAddress, isUnspecified, parseAddress, parsePrefix } from "./ipam/address.ts";
import { joinProblems } from "./ipam/validate.ts";
import type { NetworkRecord } from "./types.ts";

/** Not one of the words of `--network` that mean a network of every engine's. */
export const isUserDefined = (mode: string): boolean =>
  !["default", "bridge", "host", "none"].includes(mode) && !mode.startsWith("container:");

export const NO_SETTINGS: EndpointSettings = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: "",
  MacAddress: "",
  DNSNames: null,
};

/** What a client sent, complete and in canonical form. */
export function settingsOf(sent: EndpointConfig | null | undefined): EndpointSettings {
  const { IPAMConfig, Links, Aliases, DriverOpts, GwPriority, MacAddress } = sent ?? {};
  const canonical = (text: string): string => {
    const address = parseAddress(text);
    return address ? formatAddress(address) : text;
  };
  const { IPv4Address, IPv6Address, LinkLocalIPs } = IPAMConfig ?? {};
  return {
    ...NO_SETTINGS,
    IPAMConfig: IPAMConfig
      ? {
          ...(IPv4Address && { IPv4Address: canonical(IPv4Address) }),
          ...(IPv6Address && { IPv6Address: canonical(IPv6Address) }),
          ...(LinkLocalIPs?.length && { LinkLocalIPs: LinkLocalIPs.map(canonical) }),
        }
      : null,
    Links: Links ?? null,
    Aliases: Aliases ?? null,
    DriverOpts: DriverOpts ?? null,
    GwPriority: GwPriority ?? 0,
    MacAddress: MacAddress ? canonicalMac(MacAddress) : "",
  };
}

/** As Go's net.HardwareAddr prints it; it reads three forms. */
function canonicalMac(text: string): string {
  const digits = text.replaceAll(/[^0-9a-fA-F]/g, "").toLowerCase();
  return digits.match(/../g)?.join(":") ?? "";
}

/** The networks of a container, by name. */
export function networksOf({ record }: Pick<Container, "record">): Record<string, EndpointSettings> {
  if (record.networks) return record.networks;
  const { NetworkMode } = record.hostConfig;
  if (record.config.NetworkDisabled || NetworkMode.startsWith("container:")) return {};
  return { [NetworkMode]: NO_SETTINGS };
}

/** @source moby, daemon/container_operations.go, validateEndpointSettings. Undefined: nothing is wrong. */
export function endpointProblem(
  network: NetworkRecord | undefined,
  name: string,
  settings: EndpointSettings,
): string | undefined {
  const problems: string[] = [];
  const { IPv4Address, IPv6Address, LinkLocalIPs } = settings.IPAMConfig ?? {};
  if (!isUserDefined(name)) {
    if (IPv4Address || IPv6Address) {
      problems.push("user-specified IP address is supported on user-defined networks only");
    }
    if (settings.Aliases?.length) {
      problems.push("network-scoped aliases are only supported for user-defined networks");
    }
  }
  const four = IPv4Address ? parseAddress(IPv4Address) : undefined;
  const six = IPv6Address ? parseAddress(IPv6Address) : undefined;
  if (IPv4Address && (four?.family !== 4 || isUnspecified(four))) {
    problems.push(`invalid IPv4 address: ${IPv4Address}`);
  }
  if (IPv6Address && (six?.family !== 6 || isUnspecified(six))) {
    problems.push(`invalid IPv6 address: ${IPv6Address}`);
  }
  for (const text of LinkLocalIPs ?? []) {
    const address = parseAddress(text);
    if (!address || isUnspecified(address)) problems.push(`invalid link-local IP address: ${text}`);
  }
  if (network) {
    const pools = network.ipam.pools.filter(({ subnet }) => subnet).map(({ subnet }) => parsePrefix(subnet)!);
    for (const address of [four, six]) {
      if (address && !pools.some((pool) => contains(pool, address))) {
        problems.push(`no configured subnet contains IP address ${formatAddress(address)}`);
      }
    }
  }
  problems.push(...sysctlProblems(settings.DriverOpts?.[ENDPOINT_SYSCTLS]));
  return problems.length > 0 ? `invalid endpoint settings:\n${joinProblems(problems)}` : undefined;
}

function sysctlProblems(sysctls: string | undefined): string[] {
  if (sysctls === undefined) return [];
  return sysctls
    .split(",")
    .filter((sysctl) => !/^[^.]*\.(ipv4|ipv6|mpls)\.[^.]*\.(IFNAME|ifname)\../.test(sysctl))
    .map(
      (sysctl) =>
        `unrecognised network interface sysctl '${sysctl}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
    );
}

/** The names that others in the network know it by; the first is what a reverse look-up says. */
export function dnsNamesOf(
  { id, name, record }: Pick<Container, "id" | "name" | "record">,
  aliases: readonly string[] | null,
): string[] {
  const { Hostname } = record.config;
  return [...new Set([name.slice(1), ...(aliases ?? []), id.slice(0, 12), ...(Hostname ? [Hostname] : [])])];
}

/** `NAME:ALIAS`, or a name for both. @throws EngineError invalid */
export function parseLink(link: string): { name: string; alias: string } {
  if (link === "") throw new EngineError("invalid", "empty string specified for links");
  const parts = link.split(":");
  if (parts.length > 2) throw new EngineError("invalid", `bad format for links: ${link}`);
  const [name, alias] = parts as [string, string?];
  if (alias === undefined) return { name, alias: name };
  // `/NAME:/OTHER/ALIAS`, as inspect shows links.
  if (name.startsWith("/") && alias.startsWith("/"))
    return { name: name.slice(1), alias: alias.split("/").at(-1)! };
  return { name, alias };
}
