/**
 * What of the address space a host uses already. Asked for in full once; from then on the kernel tells what changes, so
 * that with a thousand networks the next one does not wait for a thousand routes.
 */
import { listAddresses, readAddress } from "../../../ffi/netlink/addresses.ts";
import { NETLINK } from "../../../ffi/netlink/flags.ts";
import { networkOf, prefix, prefixText } from "../../../ffi/netlink/ip.ts";
import type { Reply } from "../../../ffi/netlink/message.ts";
import { RTM, RTNLGRP } from "../../../ffi/netlink/route-flags.ts";
import { listRoutes, type Route, readRoute } from "../../../ffi/netlink/routes.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";

/** Link-local and multicast are on every link. */
const EVERYWHERE = /^(fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:)/;
/** A route that replaces another is told of without the other one: so all is looked at anew now and then. */
const TRUSTED_MS = 30_000;

const routeKey = ({ destination, index, metric, gateway }: Route): string =>
  `route ${destination} ${index} ${metric} ${gateway}`;

export class HostPrefixes {
  readonly #socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
  readonly #events = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
  /** What the kernel has, by what it is told apart by. */
  readonly #known = new Map<string, string>();
  /** How many of those have each network. */
  readonly #count = new Map<string, number>();
  #readAt = Number.NEGATIVE_INFINITY;

  constructor() {
    for (const group of Object.values(RTNLGRP)) this.#events.join(group);
  }

  /** Networks of addresses and destinations of routes, each once. */
  list(): string[] {
    if (!this.#follow()) this.#readAll();
    return [...this.#count.keys()];
  }

  /** False when not everything is known: too much has happened, or too long ago. */
  #follow(): boolean {
    let told: Reply[];
    try {
      told = this.#events.receive();
    } catch {
      // More than the socket holds.
      return false;
    }
    if (performance.now() - this.#readAt > TRUSTED_MS) return false;
    for (const reply of told) this.#apply(reply);
    return true;
  }

  #readAll(): void {
    this.#known.clear();
    this.#count.clear();
    for (const { index, address } of listAddresses(this.#socket))
      this.#put(`address ${index} ${address}`, address);
    for (const route of listRoutes(this.#socket)) {
      if (route.destination !== undefined) this.#put(routeKey(route), route.destination);
    }
    this.#readAt = performance.now();
  }

  #apply(reply: Reply): void {
    if (reply.type === RTM.RTM_NEWADDR || reply.type === RTM.RTM_DELADDR) {
      const told = readAddress(reply);
      if (!told) return;
      const key = `address ${told.index} ${told.address}`;
      if (reply.type === RTM.RTM_NEWADDR) this.#put(key, told.address);
      else this.#forget(key);
    } else if (reply.type === RTM.RTM_NEWROUTE || reply.type === RTM.RTM_DELROUTE) {
      const told = readRoute(reply);
      if (told?.destination === undefined) return;
      if (reply.type === RTM.RTM_NEWROUTE) this.#put(routeKey(told), told.destination);
      else this.#forget(routeKey(told));
    }
  }

  #put(key: string, text: string): void {
    const network = prefixText(networkOf(prefix(text)));
    if (EVERYWHERE.test(network)) return;
    this.#forget(key);
    this.#known.set(key, network);
    this.#count.set(network, (this.#count.get(network) ?? 0) + 1);
  }

  #forget(key: string): void {
    const network = this.#known.get(key);
    if (network === undefined) return;
    this.#known.delete(key);
    const left = this.#count.get(network)! - 1;
    if (left > 0) this.#count.set(network, left);
    else this.#count.delete(network);
  }
}
