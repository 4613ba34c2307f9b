/**
 * Other people's forward chains. A drop there is final, whatever our table says, and rules of others are never changed;
 * but `DOCKER-USER` is the place that dockerd leaves to others: there we let through what our table has let through (and
 * marked), in words that iptables shows. Elsewhere an operator has to be told.
 */
import { readFileSync } from "node:fs";
import { asBe32, asText, attributeMap, readAttributes } from "../../../../ffi/netlink/attributes.ts";
import { Batch } from "../../../../ffi/nftables/batch.ts";
import type { Change, ListedChain, ListedRule, Nftables } from "../../../../ffi/nftables/connection.ts";
import { accept, counter, type Expression, xtComment } from "../../../../ffi/nftables/expressions.ts";
import { isMarked } from "../../../../ffi/nftables/fields.ts";
import { HOOK, META, NFT_MSG, VERDICT } from "../../../../ffi/nftables/flags.ts";
import { legacyForwardDrops } from "../../../../ffi/xtables.ts";
import { ACCEPTED_MARK } from "./filter.ts";

type IpFamily = "ip" | "ip6";
const IP_FAMILIES: readonly IpFamily[] = ["ip", "ip6"];
const TABLE = "filter";
const USER = "DOCKER-USER";

export interface Foreign {
  /** Where our tagged accept belongs. */
  userChains: IpFamily[];
  /** Bridges whose packets dockerd decides about. */
  bridges: string[];
  warnings: string[];
}

/** Whether what somebody changed may be of what `inspectForeign` looks at: others change their own rules all the time. */
export const concernsUs = ({ message, family, table, base }: Change): boolean =>
  base ||
  message === NFT_MSG.NFT_MSG_DELTABLE ||
  (table === TABLE && (family === "ip" || family === "ip6") && message <= NFT_MSG.NFT_MSG_DELRULE);

export function inspectForeign(nftables: Nftables, ours: string): Foreign {
  const chains = nftables.chains();
  const userChains = IP_FAMILIES.filter((family) =>
    chains.some((chain) => chain.family === family && chain.table === TABLE && chain.name === USER),
  );
  const rules = new Map(userChains.map((family) => [family as string, nftables.rules(family, TABLE)]));
  const bridges = new Set([...rules.values()].flatMap(dockerBridges));
  const dropping = chains.filter(
    (chain) =>
      chain.table !== ours &&
      // firewalld's own while it reloads; what it thinks of our bridges is settled by their zone.
      !chain.table.startsWith("firewalld") &&
      chain.family !== "bridge" &&
      chain.base?.hook === HOOK.forward &&
      chain.base.drops &&
      !(chain.table === TABLE && asksUsers(chain, rules.get(chain.family) ?? [])),
  );
  return {
    userChains,
    bridges: [...bridges],
    warnings: [...dropping.map(warningOf), ...legacyWarnings()],
  };
}

const warningOf = ({ family, table, name }: ListedChain): string =>
  `the chain "${name}" of the nftables table "${family} ${table}" drops what is forwarded, containers' packets too: let them through there`;

/** The old iptables is no part of nf_tables, and has no place for our accept. */
function legacyWarnings(): string[] {
  return (["ip", "ip6"] as const).flatMap((name) => {
    let tables: string;
    try {
      tables = readFileSync(`/proc/self/net/${name}_tables_names`, "utf8");
    } catch {
      return [];
    }
    if (!tables.split("\n").includes("filter") || !legacyForwardDrops(name === "ip" ? 4 : 6)) return [];
    return [
      `the chain "FORWARD" of ${name}tables-legacy drops what is forwarded, containers' packets too: let them through there, or use --firewall-backend=iptables`,
    ];
  });
}

/** Whether packets come by `DOCKER-USER`: one that nothing jumps to any more lets nothing through. */
function asksUsers(chain: ListedChain, rules: readonly ListedRule[]): boolean {
  return rules.some(
    (rule) =>
      rule.chain === chain.name &&
      [...expressionsOf(rule)].some(
        ({ name, data }) => name === "immediate" && verdictOf(data).chain === USER,
      ),
  );
}

/** dockerd has a rule `-o BRIDGE -j DOCKER` for each bridge of its own, in one chain or another. */
function dockerBridges(rules: readonly ListedRule[]): string[] {
  return rules.flatMap((rule) => {
    let link: string | undefined;
    let docker = false;
    let output = false;
    for (const { name, data } of expressionsOf(rule)) {
      if (name === "meta") output = asBe32(data.get(2)) === META.oifname;
      else if (name === "cmp" && output && asBe32(data.get(2)) === 0) {
        link = asText(attributeMap(data.get(3) ?? new Uint8Array(0)).get(1));
      } else if (name === "immediate") docker = verdictOf(data).chain === "DOCKER";
    }
    return docker && link ? [link] : [];
  });
}

function* expressionsOf(rule: ListedRule): Generator<{ name: string; data: Map<number, Uint8Array> }> {
  for (const [, item] of readAttributes(rule.expressions)) {
    const attributes = attributeMap(item);
    yield {
      name: asText(attributes.get(1)),
      data: attributeMap(attributes.get(2) ?? new Uint8Array(0)),
    };
  }
}

function verdictOf(immediate: Map<number, Uint8Array>): { code: number | undefined; chain: string } {
  const verdict = attributeMap(immediate.get(2) ?? new Uint8Array(0)).get(2);
  if (verdict === undefined) return { code: undefined, chain: "" };
  const inside = attributeMap(verdict);
  return { code: asBe32(inside.get(1)) | 0, chain: asText(inside.get(2)) };
}

const isTagged = (rule: ListedRule, tag: string): boolean =>
  Buffer.from(rule.expressions).includes(`${tag}\0`) ||
  (rule.userdata !== undefined && Buffer.from(rule.userdata).includes(`${tag}\0`));

/** Puts our accept where it is missing: behind what others have in the chain, but before the `RETURN` at its end. */
export function addAccepts(nftables: Nftables, { userChains }: Foreign, tag: string): void {
  for (const family of userChains) {
    const rules = nftables.rules(family, TABLE, USER);
    if (rules.some((rule) => isTagged(rule, tag))) continue;
    const before = rules.length > 0 && returnsAlways(rules.at(-1)!) ? rules.at(-1)!.handle : undefined;
    const rule: Expression[] = [...isMarked(ACCEPTED_MARK), xtComment(tag), counter(), accept()];
    nftables.commit(new Batch(family, TABLE).addCompatRule(USER, rule, before));
  }
}

function returnsAlways(rule: ListedRule): boolean {
  const all = [...expressionsOf(rule)].filter(({ name }) => name !== "counter");
  const [only] = all;
  return all.length === 1 && only!.name === "immediate" && verdictOf(only!.data).code === VERDICT.return;
}

/** Takes them out again, wherever they are. */
export function removeAccepts(nftables: Nftables, tag: string): void {
  for (const family of IP_FAMILIES) {
    const batch = new Batch(family, TABLE);
    for (const rule of nftables.rules(family, TABLE, USER)) {
      if (isTagged(rule, tag)) batch.deleteRule(USER, rule.handle);
    }
    nftables.commit(batch);
  }
}
