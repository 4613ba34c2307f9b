/** What the firewall is told of a network and of an endpoint. */
import { addressOf } from "./bindings.ts";
import { bridgeOptions } from "./driver-options.ts";
import { parsePrefix } from "./ipam/address.ts";
import type {
  EndpointRecord,
  FirewallEndpoint,
  FirewallFamily,
  FirewallNetwork,
  NetworkRecord,
} from "./types.ts";

export function firewallNetwork(network: NetworkRecord): FirewallNetwork {
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
  const [ipv4, ipv6] = [family(true), family(false)];
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
  links?: FirewallEndpoint["links"],
): FirewallEndpoint {
  const [ipv4, ipv6] = [addressOf(endpoint.ipv4), addressOf(endpoint.ipv6)];
  return {
    id: endpoint.id,
    network: endpoint.network,
    hostLink: endpoint.hostLink,
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    ports: endpoint.ports,
    ...(links?.length && { links }),
  };
}
