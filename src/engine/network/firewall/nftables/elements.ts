/** What networks and endpoints put into the sets: the part that changes with every one of them, and only that. */
import { addressBytes } from "../../../../ffi/inet.ts";
import { prefix } from "../../../../ffi/netlink/ip.ts";
import type { Element } from "../../../../ffi/nftables/batch.ts";
import { prefixElements } from "../../../../ffi/nftables/intervals.ts";
import { concatenated, ifnameValue, protocolValue, serviceValue } from "../../../../ffi/nftables/types.ts";
import { isAny, isSix } from "../../bindings.ts";
import type { FirewallEndpoint, FirewallFamily, FirewallNetwork, PortBinding } from "../../types.ts";
import { hidesContainers, translates } from "../state.ts";
import {
  APART_BRIDGES,
  BRIDGES,
  FAMILIES,
  type FamilySets,
  INTERNAL_BRIDGES,
  ISOLATED_LINKS,
  SAME_BRIDGE,
  TRUSTED_LINKS,
} from "./names.ts";

/** By set and key, so that two states can be compared. */
export type Elements = Map<string, { table: "inet" | "bridge"; set: string; element: Element }>;

function put(elements: Elements, set: string, element: Element, table: "inet" | "bridge" = "inet"): void {
  const { key, ends } = element;
  elements.set(`${table} ${set} ${Buffer.from(key).toString("hex")}${ends ? " end" : ""}`, {
    table,
    set,
    element,
  });
}

interface OfFamily {
  sets: FamilySets;
  family: FirewallFamily;
  six: boolean;
}

const familiesOf = ({ ipv4, ipv6 }: FirewallNetwork): OfFamily[] =>
  FAMILIES.flatMap((sets) => {
    const six = sets.ip.family === 10;
    const family = six ? ipv6 : ipv4;
    return family ? [{ sets, family, six }] : [];
  });

/** Of the network alone. */
export function networkElements(network: FirewallNetwork): Elements {
  const elements: Elements = new Map();
  const link = ifnameValue(network.bridge);
  const key = { key: link };
  put(elements, SAME_BRIDGE, { key: concatenated([link, link]) });
  if (!network.icc) put(elements, APART_BRIDGES, key);
  put(elements, network.internal ? INTERNAL_BRIDGES : BRIDGES, key);
  if (network.internal) return elements;
  for (const { sets, family } of familiesOf(network)) {
    if (family.mode === "routed") put(elements, sets.routed, key);
    if (family.mode === "nat-unprotected") put(elements, sets.unprotected, key);
    if (hidesContainers(network, family)) {
      for (const trusted of network.trustedInterfaces) {
        put(elements, TRUSTED_LINKS, { key: concatenated([ifnameValue(trusted), link]) });
      }
    }
    if (!translates(family)) continue;
    for (const element of prefixElements(prefix(family.subnet))) put(elements, sets.subnets, element);
    if (!family.masquerade) continue;
    if (family.source === undefined) put(elements, sets.masqueraded, key);
    else put(elements, sets.sources, { ...key, value: addressBytes(family.source) });
  }
  return elements;
}

export function endpointElements(endpoint: FirewallEndpoint, network: FirewallNetwork): Elements {
  const elements: Elements = new Map();
  for (const { sets, family, six } of familiesOf(network)) {
    const address = six ? endpoint.ipv6 : endpoint.ipv4;
    if (address === undefined) continue;
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
