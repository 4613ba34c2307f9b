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
import { parsePrefix } from "../ipam/address.ts";
import { PrefixIndex } from "../ipam/prefix-index.ts";

/** Link-local and multicast are on every link. */
const EVERYWHERE = /^(fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:)/;
/** A route that replaces another is told of without the other one: so all is looked at anew now and then. */
const TRUSTED_MS = 30_000;

/** All are of the main table. */
const routeKey = ({ destination, metric, gateway, tos, protocol, source }: Route): string =>
  `route ${destination} ${metric} ${gateway} ${tos} ${protocol} ${source}`;
const addressKey = (address: string): string => `address ${address}`;
const isAddress4 = (key: string): boolean => key.startsWith("address ") && !key.includes(":");
const isRoute4 = (key: string): boolean => key.startsWith("route ") && !key.includes(":");

export class HostPrefixes {
  readonly #socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
  readonly #events = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
  /** What the kernel has: the networks of each link, by what they are told apart by. */
  readonly #known = new Map<number, Map<string, string>>();
  /** How many of those have each network. */
  readonly #count = new Map<string, number>();
  readonly #index = new PrefixIndex();
  #readAt = Number.NEGATIVE_INFINITY;

  constructor() {
    for (const group of Object.values(RTNLGRP)) this.#events.join(group);
  }

  /** Networks of addresses and destinations of routes, as they are now. */
  all(): PrefixIndex {
    if (!this.#follow()) this.#readAll();
    return this.#index;
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
    this.#index.clear();
    for (const { index, address } of listAddresses(this.#socket))
      this.#put(index, addressKey(address), address);
    for (const route of listRoutes(this.#socket)) {
      if (route.destination !== undefined) this.#put(route.index, routeKey(route), route.destination);
    }
    this.#readAt = performance.now();
  }

  #apply(reply: Reply): void {
    if (reply.type === RTM.RTM_NEWADDR || reply.type === RTM.RTM_DELADDR) {
      const told = readAddress(reply);
      if (!told) return;
      const key = addressKey(told.address);
      if (reply.type === RTM.RTM_NEWADDR) this.#put(told.index, key, told.address);
      else this.#forgetAddress(told.index, key);
    } else if (reply.type === RTM.RTM_NEWROUTE || reply.type === RTM.RTM_DELROUTE) {
      const told = readRoute(reply);
      if (told?.destination === undefined) return;
      if (reply.type === RTM.RTM_NEWROUTE) this.#put(told.index, routeKey(told), told.destination);
      else this.#forget(told.index, routeKey(told));
    }
  }

  /** With a link's last IPv4 address its IPv4 routes go, and with any the one to its network: nobody is told of those. */
  #forgetAddress(index: number, key: string): void {
    const network = this.#known.get(index)?.get(key);
    this.#forget(index, key);
    if (!isAddress4(key)) return;
    const left = [...(this.#known.get(index) ?? [])];
    const addresses = left.filter(([other]) => isAddress4(other));
    if (addresses.some(([, other]) => other === network)) return;
    for (const [other, to] of left) {
      if (isRoute4(other) && (addresses.length === 0 || to === network)) this.#forget(index, other);
    }
  }

  #put(index: number, key: string, text: string): void {
    const network = prefixText(networkOf(prefix(text)));
    if (EVERYWHERE.test(network)) return;
    this.#forget(index, key);
    const ofLink = this.#known.get(index) ?? new Map<string, string>();
    this.#known.set(index, ofLink.set(key, network));
    const count = this.#count.get(network) ?? 0;
    this.#count.set(network, count + 1);
    if (count === 0) this.#index.add(parsePrefix(network)!);
  }

  #forget(index: number, key: string): void {
    const ofLink = this.#known.get(index);
    const network = ofLink?.get(key);
    if (ofLink === undefined || network === undefined) return;
    ofLink.delete(key);
    if (ofLink.size === 0) this.#known.delete(index);
    const left = this.#count.get(network)! - 1;
    if (left > 0) this.#count.set(network, left);
    else {
      this.#count.delete(network);
      this.#index.delete(parsePrefix(network)!);
    }
  }
}
