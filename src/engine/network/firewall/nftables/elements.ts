/** What an endpoint and a network put into the sets: the part that changes with every container, and only that. */
import { addressBytes } from "../../../../ffi/inet.ts";
import type { Element } from "../../../../ffi/nftables/batch.ts";
import { concatenated, ifnameValue, protocolValue, serviceValue } from "../../../../ffi/nftables/types.ts";
import { isAny, isSix } from "../../bindings.ts";
import type { FirewallEndpoint, FirewallFamily, FirewallNetwork, PortBinding } from "../../types.ts";
import { hidesContainers, translates } from "../state.ts";
import { FAMILIES, type FamilySets, ISOLATED_LINKS } from "./names.ts";

/** By set and key, so that two states can be compared. */
export type Elements = Map<string, { table: "inet" | "bridge"; set: string; element: Element }>;

function put(elements: Elements, set: string, element: Element, table: "inet" | "bridge" = "inet"): void {
  elements.set(`${table} ${set} ${Buffer.from(element.key).toString("hex")}`, { table, set, element });
}

export function endpointElements(endpoint: FirewallEndpoint, network: FirewallNetwork): Elements {
  const elements: Elements = new Map();
  for (const sets of FAMILIES) {
    const six = sets.ip.family === 10;
    const family = six ? network.ipv6 : network.ipv4;
    const address = six ? endpoint.ipv6 : endpoint.ipv4;
    if (family === undefined || address === undefined) continue;
    putDirect(elements, sets, address, network, family);
    if (!network.internal) {
      for (const port of endpoint.ports) {
        if (isSix(port.hostIp) === six) putPort(elements, sets, address, port, family);
      }
    }
    for (const link of endpoint.links ?? []) {
      if (network.icc || isSix(link.from) !== six) continue;
      const key = concatenated([
        addressBytes(link.from),
        addressBytes(address),
        protocolValue(link.protocol),
        serviceValue(link.port),
      ]);
      put(elements, sets.linked, { key });
      put(elements, sets.linked, { key }, "bridge");
    }
  }
  if (!network.icc && endpoint.hostLink) {
    put(elements, ISOLATED_LINKS, { key: ifnameValue(endpoint.hostLink) }, "bridge");
  }
  return elements;
}

function putDirect(
  elements: Elements,
  { endpoints, direct }: FamilySets,
  ip: string,
  network: FirewallNetwork,
  family: FirewallFamily,
): void {
  if (!hidesContainers(network, family)) return;
  const address = addressBytes(ip);
  put(elements, endpoints, { key: address });
  for (const link of [network.bridge, ...network.trustedInterfaces]) {
    put(elements, direct, { key: concatenated([address, ifnameValue(link)]) });
  }
}

function putPort(
  elements: Elements,
  sets: FamilySets,
  ip: string,
  port: PortBinding,
  family: FirewallFamily,
): void {
  const address = addressBytes(ip);
  const protocol = protocolValue(port.protocol);
  const inside = serviceValue(port.containerPort);
  put(elements, sets.open, { key: concatenated([address, protocol, inside]) });
  // Where packets are routed to containers, a port is open at their own address.
  if (!translates(family) || port.hostPort === 0) return;
  const outside = serviceValue(port.hostPort);
  const value = concatenated([address, inside]);
  if (isAny(port.hostIp)) {
    put(elements, sets.publishedAny, { key: concatenated([protocol, outside]), value });
  } else {
    put(elements, sets.published, {
      key: concatenated([addressBytes(port.hostIp), protocol, outside]),
      value,
    });
  }
}
