/**
 * That this host forwards packets at all. Where it did not before, it does for containers alone: between links that were
 * there already, nothing is forwarded because of us.
 */
import { readFileSync } from "node:fs";
import { NETLINK } from "../../../ffi/netlink/flags.ts";
import { listLinks } from "../../../ffi/netlink/links.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import type { FirewallNetwork } from "../types.ts";
import { reachedByLoopback, routeLocalnet } from "./state.ts";
import type { Sysctls } from "./sysctl.ts";

const FORWARD4 = "net/ipv4/ip_forward";
const DEFAULT6 = "net/ipv6/conf/default/forwarding";
const FORWARD6 = "net/ipv6/conf/all/forwarding";

const PATHS = { four: [FORWARD4], six: [FORWARD6, DEFAULT6] } as const;

/** By family. */
export interface ClosedLinks {
  four: readonly string[];
  six: readonly string[];
}

const needs = (networks: Iterable<FirewallNetwork>, family: keyof ClosedLinks): boolean =>
  [...networks].some(({ internal, ipv4, ipv6 }) => !internal && (family === "four" ? ipv4 : ipv6));

/** Names of this namespace's links: /proc/net/dev. */
function linkNames(): string[] {
  const lines = readFileSync("/proc/self/net/dev", "utf8").split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.indexOf(":")).trim()).filter((name) => name !== "");
}

/**
 * The links that were there before we changed that, or are there now that we will: between those, nothing is to be
 * forwarded, unless they are bridges of ours.
 */
export function closedLinks(sysctls: Sysctls, networks: Iterable<FirewallNetwork>): ClosedLinks {
  const all = [...networks];
  const of = (family: keyof ClosedLinks): readonly string[] => {
    const [path] = PATHS[family];
    return needs(all, family) && sysctls.read(path) === "0" ? linkNames() : sysctls.note(path);
  };
  return { four: of("four"), six: of("six") };
}

/** Whether the family's packets were not forwarded here before we made it so. */
export const forwardsForUs = (sysctls: Sysctls, family: keyof ClosedLinks): boolean =>
  sysctls.changed(PATHS[family][0]);

/** After the rules are in place that keep the rest as it was. */
export function enableForwarding(
  sysctls: Sysctls,
  networks: Iterable<FirewallNetwork>,
  closed: ClosedLinks,
): void {
  const all = [...networks];
  for (const family of ["four", "six"] as const) {
    // `all` sets `default` too, but only when it changes.
    if (needs(all, family)) for (const path of PATHS[family]) sysctls.set(path, "1", closed[family]);
  }
}

/**
 * Puts back what we changed of the host. Forwarding stays where others have come to need it: where there are bridges of
 * theirs that were not there when we began. What was is remembered then, for our next end.
 */
export function restoreSettings(sysctls: Sysctls, networks: ReadonlyMap<string, FirewallNetwork>): void {
  const known = new Set([...networks.values()].map(({ bridge }) => bridge));
  for (const path of [...PATHS.four, ...PATHS.six]) for (const link of sysctls.note(path)) known.add(link);
  using socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
  const others = listLinks(socket).some(({ kind, name }) => kind === "bridge" && !known.has(name));
  sysctls.restoreAll((path) => others && !path.endsWith("/route_localnet"));
}

/** Lets this host's 127.0.0.1 reach containers: after the rule that keeps others away from 127/8, never before. */
export function enableLoopback(sysctls: Sysctls, network: FirewallNetwork): void {
  if (reachedByLoopback(network)) sysctls.set(routeLocalnet(network.bridge), "1");
}
