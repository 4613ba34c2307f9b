/** A network as `network ls` shows it. */

import { TYPE } from "../../../engine/template/values.ts";
import type { Row } from "../format.ts";
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
