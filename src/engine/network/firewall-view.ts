/** What the firewall is told of a network and of an endpoint: of IPv6 only where it is to make rules for that. */
import { addressOf, isSix } from "./bindings.ts";
import type { NetworkConfig } from "./config.ts";
import { bridgeOptions } from "./driver-options.ts";
import { parsePrefix } from "./ipam/address.ts";
import type {
  EndpointRecord,
  FirewallEndpoint,
  FirewallFamily,
  FirewallNetwork,
  NetworkRecord,
} from "./types.ts";

type Rules = Pick<NetworkConfig, "rules6">;

export function firewallNetwork(network: NetworkRecord, { rules6 }: Rules): FirewallNetwork {
  const options = bridgeOptions(network.options);
  const family = (four: boolean): FirewallFamily | undefined => {
    const pool = network.ipam.pools.find(
      ({ subnet }) => (parsePrefix(subnet)!.address.family === 4) === four,
    );
    if (!pool) return undefined;
    const source = four ? options.source4 : options.source6;
    return {
      subnet: pool.subnet,
      gateway: pool.gateway ?? "",
      mode: four ? options.mode4 : options.mode6,
      masquerade: options.masquerade,
      ...(source && { source }),
    };
  };
  const [ipv4, ipv6] = [family(true), rules6 ? family(false) : undefined];
  return {
    id: network.id,
    bridge: network.link,
    internal: network.internal,
    icc: options.icc,
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    trustedInterfaces: options.trustedInterfaces,
  };
}

export function firewallEndpoint(
  endpoint: EndpointRecord,
  { rules6 }: Rules,
  links?: FirewallEndpoint["links"],
): FirewallEndpoint {
  const [ipv4, ipv6] = [addressOf(endpoint.ipv4), rules6 ? addressOf(endpoint.ipv6) : undefined];
  return {
    id: endpoint.id,
    network: endpoint.network,
    hostLink: endpoint.hostLink,
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    ports: endpoint.ports.filter(({ hostIp }) => rules6 || !isSix(hostIp)),
    ...(links?.length && { links: links.filter(({ from }) => rules6 || !isSix(from)) }),
  };
}
