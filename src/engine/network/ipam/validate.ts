/** What may be asked of a network's addresses. @source moby, daemon/network.go, validateIpamConfig */
import { EngineError } from "../../errors.ts";
import {
  contains,
  type Family,
  formatAddress,
  formatPrefix,
  masked,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
} from "./address.ts";
import type { PoolAsked } from "./ipam.ts";

/** As moby's multierror: one problem as it is, several as a list. */
export function joinProblems(problems: readonly string[]): string {
  if (problems.length === 1) return problems[0]!.trim();
  return problems.map((problem) => `* ${problem.replaceAll("\n", "\n\t")}`).join("\n");
}

/** @throws EngineError invalid `invalid network config:\n…` */
export function validatePools(pools: readonly PoolAsked[], ipv6: boolean): void {
  const problems: string[] = [];
  for (const { subnet, ipRange, gateway, auxiliary } of pools) {
    const pool = subnet ? parsePrefix(subnet) : undefined;
    // Docker's zero value of a prefix is no IPv6 one.
    const family: Family = pool?.address.family ?? 4;
    if (!ipv6 && family === 6) continue;
    if (pool && formatPrefix(pool) !== formatPrefix(masked(pool))) {
      problems.push(`invalid subnet ${formatPrefix(pool)}: it should be ${formatPrefix(masked(pool))}`);
    }
    if (ipRange) problems.push(...rangeProblems(parsePrefix(ipRange)!, pool, family));
    const gatewayProblem = gateway ? addressProblem(gateway, pool, family) : undefined;
    if (gatewayProblem) problems.push(`invalid gateway ${gateway}: ${gatewayProblem}`);
    for (const [name, address] of Object.entries(auxiliary ?? {})) {
      const problem = address ? addressProblem(address, pool, family) : undefined;
      if (problem) problems.push(`invalid auxiliary address ${name}: ${problem}`);
    }
  }
  if (problems.length > 0) {
    throw new EngineError("invalid", `invalid network config:\n${joinProblems(problems)}`);
  }
}

const shown = (pool: Prefix | undefined): string => (pool ? formatPrefix(pool) : "invalid Prefix");

/** In Docker's words. */
export function rangeProblems(range: Prefix, pool: Prefix | undefined, family: Family): string[] {
  const text = formatPrefix(range);
  if (range.address.family !== family) {
    return [`invalid ip-range ${text}: parent subnet is an IPv${family} block`];
  }
  const problems: string[] = [];
  if (pool && range.bits < pool.bits) {
    problems.push(
      `invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${formatPrefix(pool)}`,
    );
  }
  const canonical = formatPrefix(masked(range));
  if (text !== canonical) problems.push(`invalid ip-range ${text}: it should be ${canonical}`);
  if (!pool || !overlaps(pool, range)) {
    problems.push(`invalid ip-range ${text}: parent subnet ${shown(pool)} doesn't contain ip-range`);
  }
  return problems;
}

function addressProblem(text: string, pool: Prefix | undefined, family: Family): string | undefined {
  const address = parseAddress(text)!;
  if (address.family !== family) return `parent subnet is an IPv${family} block`;
  if (pool && contains(pool, address)) return undefined;
  return `parent subnet ${shown(pool)} doesn't contain this address`;
}

/** The canonical form of what was sent, by family. */
export function byFamily(pools: readonly PoolAsked[]): Record<Family, PoolAsked[]> {
  const sorted: Record<Family, PoolAsked[]> = { 4: [], 6: [] };
  const address = (text: string): string => formatAddress(parseAddress(text)!);
  for (const { subnet, ipRange, gateway, auxiliary } of pools) {
    const pool = subnet ? masked(parsePrefix(subnet)!) : undefined;
    const one: PoolAsked = {};
    if (pool) one.subnet = formatPrefix(pool);
    if (ipRange) one.ipRange = formatPrefix(masked(parsePrefix(ipRange)!));
    if (gateway) one.gateway = address(gateway);
    const entries = Object.entries(auxiliary ?? {}).filter(([, text]) => text);
    if (entries.length > 0) {
      one.auxiliary = Object.fromEntries(entries.map(([name, text]) => [name, address(text)]));
    }
    // Without a subnet, Docker takes it for IPv6: an invalid address is not IPv4.
    sorted[pool?.address.family ?? 6].push(one);
  }
  return sorted;
}
