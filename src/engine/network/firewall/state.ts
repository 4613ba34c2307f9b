/** What the firewall is to let through and to keep out, whichever backend makes it so. */
import type { FirewallEndpoint, FirewallFamily, FirewallNetwork } from "../types.ts";

/** Whose packets are ours to decide about. */
export interface Families {
  four: boolean;
  six: boolean;
}

export class FirewallState {
  /** Without the family that is not ours to decide about. */
  readonly networks = new Map<string, FirewallNetwork>();
  readonly endpoints = new Map<string, FirewallEndpoint>();

  readonly #families: Families;

  constructor(families: Families) {
    this.#families = families;
  }

  putNetwork({ ipv4, ipv6, ...rest }: FirewallNetwork): void {
    this.networks.set(rest.id, {
      ...rest,
      ...(ipv4 && this.#families.four && { ipv4 }),
      ...(ipv6 && this.#families.six && { ipv6 }),
    });
  }

  /** Of an endpoint whose network is not known, nothing is let through. */
  networkOf(endpoint: FirewallEndpoint): FirewallNetwork | undefined {
    return this.networks.get(endpoint.network);
  }

  /** With its endpoints; what they were. */
  removeNetwork(id: string): { network: FirewallNetwork; endpoints: FirewallEndpoint[] } | undefined {
    const network = this.networks.get(id);
    if (!network) return undefined;
    const endpoints = this.endpointsOf(id);
    this.networks.delete(id);
    for (const endpoint of endpoints) this.endpoints.delete(endpoint.id);
    return { network, endpoints };
  }

  endpointsOf(network: string): FirewallEndpoint[] {
    return [...this.endpoints.values()].filter((endpoint) => endpoint.network === network);
  }

  replace(networks: readonly FirewallNetwork[], endpoints: readonly FirewallEndpoint[]): void {
    this.networks.clear();
    this.endpoints.clear();
    for (const network of networks) this.putNetwork(network);
    for (const endpoint of endpoints) this.endpoints.set(endpoint.id, endpoint);
  }
}

/** Whether addresses are changed on the way: not where containers are routed to, or kept for themselves. */
export const translates = (family: FirewallFamily): boolean =>
  family.mode === "nat" || family.mode === "nat-unprotected";

/** Whether containers may not be reached by their own addresses but from their bridge. */
export const hidesContainers = (network: FirewallNetwork, family: FirewallFamily): boolean =>
  !network.internal && family.mode === "nat";

/** `sysctl net.ipv4.conf.LINK.route_localnet` */
export const routeLocalnet = (bridge: string): string => `net/ipv4/conf/${bridge}/route_localnet`;

/** The networks whose containers can be reached by this host's 127.0.0.1. */
export const reachedByLoopback = (network: FirewallNetwork): boolean =>
  !network.internal && network.ipv4 !== undefined && translates(network.ipv4);
