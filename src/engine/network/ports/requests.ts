/** From what was asked to what is bound: the addresses of the host, grouped by the port that they share. */
import { isSix } from "../bindings.ts";
import type { EndpointRecord, PortRequest } from "../types.ts";

/** One host port that is to be had on all of these addresses. */
export interface Group {
  protocol: PortRequest["protocol"];
  containerPort: number;
  start: number;
  end: number;
  ips: string[];
}

export interface Families {
  /** Host ports of the family are wanted through this endpoint. */
  four: boolean;
  six: boolean;
}

/** Exact ports come first, so that no range takes what another request needs; then ranges, then any port. */
const rank = ({ start, end }: Group): number => (start === 0 ? 2 : start === end ? 0 : 1);

/**
 * `six` without an IPv6 address of the container: ts-proxy forwards to its IPv4 address. The other way round nothing does.
 * @param listens6 whether the host has IPv6 at all
 */
export function groupsOf(
  endpoint: Pick<EndpointRecord, "ipv4" | "ipv6">,
  requests: readonly PortRequest[],
  { four, six }: Families,
  listens6: () => boolean,
): Group[] {
  const groups = new Map<string, Group>();
  for (const { protocol, containerPort, hostIp, hostPortStart: start, hostPortEnd: end } of requests) {
    const ips: string[] = [];
    const ofSix = isSix(hostIp);
    if (four && endpoint.ipv4 && !ofSix) ips.push(hostIp || "0.0.0.0");
    if (six && (endpoint.ipv6 || endpoint.ipv4)) {
      if (ofSix) ips.push(hostIp);
      else if (hostIp === "" && listens6()) ips.push("::");
    }
    if (ips.length === 0) continue;
    const key = [protocol, containerPort, start, end].join();
    const group = groups.get(key) ?? { protocol, containerPort, start, end, ips: [] };
    // The same address twice asks for two ports, unless it names one.
    const again = ips.some((ip) => group.ips.includes(ip)) && start !== end;
    groups.set(again ? `${key},${groups.size}` : key, again ? { ...group, ips } : group);
    if (!again) group.ips.push(...ips.filter((ip) => !group.ips.includes(ip)));
  }
  return [...groups.values()].sort((a, b) => rank(a) - rank(b));
}
