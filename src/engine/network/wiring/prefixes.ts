/** What of the address space a host uses already. */
import { listAddresses } from "../../../ffi/netlink/addresses.ts";
import { networkOf, prefix, prefixText } from "../../../ffi/netlink/ip.ts";
import { listRoutes } from "../../../ffi/netlink/routes.ts";
import type { NetlinkSocket } from "../../../ffi/netlink/socket.ts";

/** Link-local and multicast are on every link. */
const EVERYWHERE = /^(fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:)/;

/** Networks of addresses and destinations of routes, each once. */
export function hostPrefixes(host: NetlinkSocket): string[] {
  const found = [
    ...listAddresses(host).map(({ address }) => address),
    ...listRoutes(host).flatMap(({ destination }) => destination ?? []),
  ];
  const networks = found.map((text) => prefixText(networkOf(prefix(text))));
  return [...new Set(networks)].filter((text) => !EVERYWHERE.test(text));
}
