/** A sandbox from within, over a socket of its namespace: links' addresses, sysctls and routes. */
import { ERRNO } from "../../../ffi/errno.ts";
import { closeFd, SystemError } from "../../../ffi/libc.ts";
import type { NamespaceSysctls } from "../../../ffi/namespace-sysctls.ts";
import { addAddress } from "../../../ffi/netlink/addresses.ts";
import { NETLINK } from "../../../ffi/netlink/flags.ts";
import { networkOf, prefix, prefixText } from "../../../ffi/netlink/ip.ts";
import { changeLink, findLink, type Link } from "../../../ffi/netlink/links.ts";
import type { Message } from "../../../ffi/netlink/message.ts";
import { addRoute, deleteRoute, listRoutes, type Route } from "../../../ffi/netlink/routes.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { openNamespace } from "../../../ffi/netns.ts";
import { EngineError } from "../../errors.ts";
import type { EndpointRecord } from "../types.ts";
import { endpointSysctls } from "./sysctls.ts";

/** The metric of a default route that nobody gave another. */
const METRIC = { 4: undefined, 6: 1024 } as const;

/** With their prefix lengths. */
const addressesOf = ({ ipv4, ipv6, linkLocal }: EndpointRecord): string[] =>
  [ipv4, ipv6, ...linkLocal].filter((address) => address !== undefined);

export class Inside implements Disposable {
  readonly namespace: number;
  readonly socket: NetlinkSocket;
  /** By name, as far as they were looked up. */
  readonly #indexes = new Map<string, number>();
  /** There is no link yet but `lo`, and no default route: not everything need be asked. */
  #empty: boolean;
  #routeless: boolean;

  /** Takes the descriptor over. `fresh`: nobody else knows of the namespace. */
  constructor(namespace: number, fresh = false) {
    this.namespace = namespace;
    this.#empty = fresh;
    this.#routeless = fresh;
    try {
      this.socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE, namespace);
    } catch (error) {
      closeFd(namespace);
      throw error;
    }
  }

  /** By the path that it is pinned at. */
  static at(path: string): Inside {
    return new Inside(openNamespace(path));
  }

  /** Gives a link that is there, and down, what its endpoint has, and brings it up. May be repeated. */
  configure(endpoint: EndpointRecord, sysctls: NamespaceSysctls): Link {
    const link = findLink(this.socket, endpoint.link);
    if (!link) throw new EngineError("internal", `link ${endpoint.link} is not in the sandbox`);
    this.#indexes.set(endpoint.link, link.index);
    const addresses = addressesOf(endpoint);
    if (!this.#empty) this.#refuseConflicts(addresses, link);
    this.#empty = false;
    this.#enableIPv6(endpoint, sysctls);
    this.#all(
      addresses.map((address) => addAddress(link.index, address)),
      ERRNO.EEXIST,
    );
    const asked = endpointSysctls(endpoint);
    if (asked.length > 0) sysctls.write(this.namespace, asked);
    this.socket.request(changeLink(link.index, { up: true }));
    return link;
  }

  /** Replaces the default routes, by family. An endpoint without a gateway has everything on its link. */
  setDefaultRoutes(of: { four?: EndpointRecord; six?: EndpointRecord }): void {
    const found = this.#routeless ? [] : listRoutes(this.socket);
    this.#routeless = false;
    for (const [family, endpoint] of [
      [4, of.four],
      [6, of.six],
    ] as const) {
      const old = found.filter(
        (route) =>
          route.family === family && route.destination === undefined && route.metric === METRIC[family],
      );
      const wanted = endpoint && this.#defaultRoute(family, endpoint);
      if (wanted && old.some((route) => sameWay(route, wanted))) continue;
      this.#all(old.map(deleteRoute), ERRNO.ESRCH);
      if (wanted) this.socket.request(addRoute(wanted));
    }
  }

  [Symbol.dispose](): void {
    this.socket.close();
    closeFd(this.namespace);
  }

  #defaultRoute(family: 4 | 6, endpoint: EndpointRecord): Route {
    const index = this.#indexes.get(endpoint.link) ?? findLink(this.socket, endpoint.link)?.index;
    if (index === undefined) throw new EngineError("internal", `link ${endpoint.link} is not in the sandbox`);
    const gateway = family === 4 ? endpoint.gateway4 : endpoint.gateway6;
    return { family, index, ...(gateway && { gateway }) };
  }

  /** Two links of one subnet would each answer for the other. */
  #refuseConflicts(addresses: readonly string[], link: Link): void {
    const routes = listRoutes(this.socket).filter(
      ({ destination, index }) => destination !== undefined && index !== link.index,
    );
    for (const address of addresses) {
      const own = prefix(address);
      for (const { destination } of routes) {
        const other = prefix(destination!);
        if (other.bytes.length !== own.bytes.length) continue;
        const length = Math.min(own.length, other.length);
        const start = (bytes: Uint8Array): string => prefixText(networkOf({ bytes, length }));
        if (start(own.bytes) !== start(other.bytes)) continue;
        throw new EngineError(
          "internal",
          `cannot program address ${address} in sandbox interface because it conflicts with existing route ${destination}`,
        );
      }
    }
  }

  /**
   * On for an endpoint with an IPv6 address, off for any other: a link with IPv6 would take routes and neighbours from
   * whoever sends it some.
   */
  #enableIPv6({ link, ipv6 }: EndpointRecord, sysctls: NamespaceSysctls): void {
    const path = `net/ipv6/conf/${link}/disable_ipv6`;
    try {
      sysctls.write(this.namespace, [{ path, value: ipv6 === undefined ? "1" : "0" }]);
    } catch (error) {
      // A kernel that was started without IPv6 has none to switch off.
      if (ipv6 !== undefined || !(error instanceof SystemError) || error.errno !== ERRNO.ENOENT) throw error;
    }
  }

  #all(messages: readonly Message[], fine: number): void {
    if (messages.length === 0) return;
    for (const { error } of this.socket.tryBatch(messages).errors) if (error.errno !== fine) throw error;
  }
}

const sameWay = (a: Route, b: Route): boolean => a.index === b.index && a.gateway === b.gateway;
