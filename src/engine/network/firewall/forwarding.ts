/**
 * That this host forwards packets at all. Where it did not before, it does for containers alone: between links that were
 * there already, nothing is forwarded because of us.
 */
import { readFileSync } from "node:fs";
import type { FirewallNetwork } from "../types.ts";
import { reachedByLoopback, routeLocalnet } from "./state.ts";
import type { Sysctls } from "./sysctl.ts";

export const FORWARD4 = "net/ipv4/ip_forward";
const DEFAULT6 = "net/ipv6/conf/default/forwarding";
const FORWARD6 = "net/ipv6/conf/all/forwarding";

const needs = (networks: Iterable<FirewallNetwork>): string[] => {
  const all = [...networks].filter(({ internal }) => !internal);
  return [
    ...(all.some(({ ipv4 }) => ipv4) ? [FORWARD4] : []),
    // `all` sets `default` too, but only when it changes.
    ...(all.some(({ ipv6 }) => ipv6) ? [FORWARD6, DEFAULT6] : []),
  ];
};

/** Names of this namespace's links: /proc/net/dev. */
function linkNames(): string[] {
  const lines = readFileSync("/proc/self/net/dev", "utf8").split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.indexOf(":")).trim()).filter((name) => name !== "");
}

/** The links that nothing is to be forwarded between: those from before we changed that. */
export function closedLinks(sysctls: Sysctls, networks: ReadonlyMap<string, FirewallNetwork>): string[] {
  const bridges = new Set([...networks.values()].map(({ bridge }) => bridge));
  const paths = needs(networks.values());
  const noted = paths.flatMap((path) => sysctls.note(path));
  const toChange = paths.some((path) => sysctls.read(path) === "0");
  return [...new Set([...noted, ...(toChange ? linkNames() : [])])].filter(
    (link) => link !== "lo" && !bridges.has(link),
  );
}

/** After the rules are in place that keep the rest as it was. */
export function enableForwarding(
  sysctls: Sysctls,
  networks: Iterable<FirewallNetwork>,
  closed: readonly string[],
): void {
  for (const path of needs(networks)) sysctls.set(path, "1", closed);
}

/** Lets this host's 127.0.0.1 reach containers: after the rule that keeps others away from 127/8, never before. */
export function enableLoopback(sysctls: Sysctls, network: FirewallNetwork): void {
  if (reachedByLoopback(network)) sysctls.set(routeLocalnet(network.bridge), "1");
}
