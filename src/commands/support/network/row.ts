/** A network as `network ls` shows it. */
import type { Row } from "../format.ts";
import { TYPE } from "../template/values.ts";
import { shortId } from "../units.ts";

export interface NetworkSummary {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6: boolean;
  readonly Internal: boolean;
  readonly Labels: Readonly<Record<string, string>> | null;
}

export const HEADERS: Readonly<Record<string, string>> = {
  ID: "NETWORK ID",
  Name: "NAME",
  Driver: "DRIVER",
  Scope: "SCOPE",
  IPv4: "IPV4",
  IPv6: "IPV6",
  Internal: "INTERNAL",
  Labels: "LABELS",
  CreatedAt: "CREATED AT",
};

export const TABLE = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
export const RAW = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";

/** `2006-01-02 15:04:05.999999999 +0000 UTC`: as it came, in UTC. */
const goMoment = (text: string): string => text.replace("T", " ").replace(/Z$/, " +0000 UTC");

export function networkRow(network: NetworkSummary, full: boolean): Row {
  const labels = network.Labels ?? {};
  return {
    [TYPE]: "*network.networkContext",
    ID: full ? network.Id : shortId(network.Id),
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    IPv4: String(network.EnableIPv4 ?? false),
    IPv6: String(network.EnableIPv6),
    Internal: String(network.Internal),
    Labels: Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .toSorted()
      .join(","),
    Label: (name: unknown) => labels[String(name)] ?? "",
    CreatedAt: goMoment(network.Created),
  };
}

/** Digits within names count as numbers: `web2` comes before `web10`. */
export function naturalOrder(a: string, b: string): number {
  const chunks = (text: string): string[] => text.match(/\d+|\D+/g) ?? [];
  const [left, right] = [chunks(a), chunks(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const [one, other] = [left[at]!, right[at]!];
    if (one === other) continue;
    if (/^\d/.test(one) && /^\d/.test(other)) {
      const difference = BigInt(one) - BigInt(other);
      if (difference !== 0n) return difference < 0n ? -1 : 1;
      return one.length - other.length;
    }
    return one < other ? -1 : 1;
  }
  return left.length - right.length;
}
