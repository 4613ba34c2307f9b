/**
 * That this host forwards packets at all. Where it did not before, it does for containers alone: between links that were
 * there already, nothing is forwarded because of us.
 */
import { readFileSync } from "node:fs";
import type { FirewallNetwork } from "../types.ts";
import { reachedByLoopback, routeLocalnet } from "./state.ts";
import type { Sysctls } from "./sysctl.ts";

const FORWARD4 = "net/ipv4/ip_forward";
const DEFAULT6 = "net/ipv6/conf/default/forwarding";
const FORWARD6 = "net/ipv6/conf/all/forwarding";

const PATHS = { four: [FORWARD4], six: [FORWARD6, DEFAULT6] } as const;

/** By family. */
export interface ClosedLinks {
  four: string[];
  six: string[];
}

const needs = (networks: Iterable<FirewallNetwork>, family: keyof ClosedLinks): boolean =>
  [...networks].some(({ internal, ipv4, ipv6 }) => !internal && (family === "four" ? ipv4 : ipv6));

/** Names of this namespace's links: /proc/net/dev. */
function linkNames(): string[] {
  const lines = readFileSync("/proc/self/net/dev", "utf8").split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.indexOf(":")).trim()).filter((name) => name !== "");
}

/** The links that nothing is to be forwarded between: those from before we change that, or have changed it. */
export function closedLinks(sysctls: Sysctls, networks: ReadonlyMap<string, FirewallNetwork>): ClosedLinks {
  const bridges = new Set([...networks.values()].map(({ bridge }) => bridge));
  const of = (family: keyof ClosedLinks): string[] => {
    const [path] = PATHS[family];
    const willChange = needs(networks.values(), family) && sysctls.read(path) === "0";
    const links = willChange ? linkNames() : sysctls.note(path);
    return links.filter((link) => link !== "lo" && !bridges.has(link));
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

/** Lets this host's 127.0.0.1 reach containers: after the rule that keeps others away from 127/8, never before. */
export function enableLoopback(sysctls: Sysctls, network: FirewallNetwork): void {
  if (reachedByLoopback(network)) sysctls.set(routeLocalnet(network.bridge), "1");
}
