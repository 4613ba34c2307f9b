/** The whole of our tables as one transaction: what they are made from, rebuilt to and taken away by. */
import { Batch, type Element } from "../../../../ffi/nftables/batch.ts";
import type { Nftables } from "../../../../ffi/nftables/connection.ts";
import { ifnameValue } from "../../../../ffi/nftables/types.ts";
import type { ClosedLinks } from "../forwarding.ts";
import type { FirewallState } from "../state.ts";
import { addBridgeTable, BRIDGE_SET_NAMES } from "./bridge-table.ts";
import { type Elements, endpointElements, networkElements } from "./elements.ts";
import { CHAINS, FAMILIES, FOREIGN_BRIDGES, USER_CHAIN } from "./names.ts";
import { addChains, addRules, addSets, SET_NAMES, type Skeleton } from "./skeleton.ts";

export interface Wanted extends Omit<Skeleton, "internal"> {
  state: FirewallState;
  closedLinks: ClosedLinks;
  foreignBridges: readonly string[];
}

const COMMENT = "containers of tsd";

/** What networks there are of: for some kinds there are rules, and a table, only where there is one of them. */
export interface Kinds {
  /** Containers that are kept apart. */
  apart: boolean;
  internal: boolean;
}

export function kindsOf({ networks }: FirewallState): Kinds {
  const kinds = { apart: false, internal: false };
  for (const { icc, internal } of networks.values()) {
    kinds.apart ||= !icc;
    kinds.internal ||= internal;
  }
  return kinds;
}

interface There {
  chains: string[];
  sets: string[];
}

/** What of a table is ours. The user's chain is not, nor are sets that its rules name (`__set0`, where they list values). */
function ownParts(nftables: Nftables, table: string, family: "inet" | "bridge"): There {
  const chains = nftables
    .chains()
    .filter((chain) => chain.family === family && chain.table === table && chain.name !== USER_CHAIN)
    .map(({ name }) => name);
  const theirs = nftables
    .rules(family, table, USER_CHAIN)
    .map(({ expressions }) => Buffer.from(expressions).toString("latin1"));
  const sets = nftables
    .sets(family, table)
    .filter((set) => !theirs.some((text) => text.includes(`\0${set}\0`)));
  return { chains, sets };
}

/**
 * The tables become what is wanted, whatever is in them, of an earlier version of ours too; packets see the old state or
 * the new. The user's chain stays.
 */
export function rebuild(nftables: Nftables, table: string, wanted: Wanted): Batch[] {
  const inet = new Batch("inet", table).addTable(COMMENT);
  addChains(inet);
  addSets(inet);
  const there = ownParts(nftables, table, "inet");
  const chains = new Set<string>(Object.values(CHAINS));
  const sets = new Set(SET_NAMES);
  for (const chain of new Set([...chains, ...there.chains])) inet.flushChain(chain);
  for (const set of new Set([...sets, ...there.sets])) inet.flushSet(set);
  for (const set of there.sets) if (!sets.has(set)) inet.deleteSet(set);
  for (const chain of there.chains) if (!chains.has(chain)) inet.deleteChain(chain);
  const bridge = bridgeTable(nftables, table, wanted);
  fill({ inet, bridge }, wanted);
  return [inet, bridge];
}

/** As `rebuild`, of a table in which things have our names and are not ours: from nothing, but for the user's rules. */
export function replace(nftables: Nftables, table: string, wanted: Wanted): Batch[] {
  const inet = new Batch("inet", table).addTable().deleteTable().addTable(COMMENT);
  addChains(inet);
  addSets(inet);
  for (const rule of nftables.rules("inet", table, USER_CHAIN)) inet.copyRule(USER_CHAIN, rule);
  const bridge = new Batch("bridge", table).addTable().deleteTable();
  if (kindsOf(wanted.state).apart) addBridgeTable(bridge.addTable(COMMENT), wanted);
  fill({ inet, bridge }, wanted);
  return [inet, bridge];
}

function fill({ inet, bridge }: Batches, wanted: Wanted): void {
  const { state, closedLinks, foreignBridges } = wanted;
  addRules(inet, { ...wanted, internal: kindsOf(state).internal });
  const networks = [...state.networks.values()];
  const open = new Set(["lo", ...foreignBridges, ...networks.map(({ bridge: link }) => link)]);
  for (const { ip, closed } of FAMILIES) {
    const links = ip.family === 2 ? closedLinks.four : closedLinks.six;
    addLinks(
      inet,
      closed,
      links.filter((link) => !open.has(link)),
    );
  }
  addLinks(inet, FOREIGN_BRIDGES, foreignBridges);
  addElements(allElements(state), { inet, bridge });
}

function bridgeTable(nftables: Nftables, table: string, wanted: Wanted): Batch {
  const batch = new Batch("bridge", table);
  if (kindsOf(wanted.state).apart) {
    addBridgeTable(batch.addTable(COMMENT), wanted);
    for (const set of BRIDGE_SET_NAMES) batch.flushSet(set);
  } else if (nftables.tables().some(({ family, name }) => family === "bridge" && name === table)) {
    batch.deleteTable();
  }
  return batch;
}

function addLinks(batch: Batch, set: string, links: readonly string[]): void {
  batch.addElements(
    set,
    links.map((link) => ({ key: ifnameValue(link) })),
  );
}

function allElements({ networks, endpoints }: FirewallState): Elements {
  const all: Elements = new Map();
  for (const network of networks.values()) {
    for (const [key, element] of networkElements(network)) all.set(key, element);
  }
  for (const endpoint of endpoints.values()) {
    const network = networks.get(endpoint.network);
    if (!network) continue;
    for (const [key, element] of endpointElements(endpoint, network)) all.set(key, element);
  }
  return all;
}

interface Batches {
  inet: Batch;
  bridge: Batch;
}

const bySet = (
  elements: Elements,
): Map<string, { table: "inet" | "bridge"; set: string; list: Element[] }> => {
  const sets = new Map<string, { table: "inet" | "bridge"; set: string; list: Element[] }>();
  for (const { table, set, element } of elements.values()) {
    const key = `${table} ${set}`;
    const entry = sets.get(key) ?? { table, set, list: [] };
    entry.list.push(element);
    sets.set(key, entry);
  }
  return sets;
};

export function addElements(elements: Elements, batches: Batches): void {
  for (const { table, set, list } of bySet(elements).values()) batches[table].addElements(set, list);
}

export function deleteElements(elements: Elements, batches: Batches): void {
  for (const { table, set, list } of bySet(elements).values()) batches[table].deleteElements(set, list);
}

/** All that is ours goes; the user's chain stays, in a table of its own, if there is something in it. */
export function remove(nftables: Nftables, table: string): Batch[] {
  const has = (wanted: string) =>
    nftables.tables().some(({ family, name }) => family === wanted && name === table);
  const batches: Batch[] = [];
  if (has("bridge")) batches.push(new Batch("bridge", table).deleteTable());
  if (!has("inet")) return batches;
  const inet = new Batch("inet", table);
  if (nftables.rules("inet", table, USER_CHAIN).length === 0) {
    inet.deleteTable();
  } else {
    const { chains, sets } = ownParts(nftables, table, "inet");
    for (const chain of chains) inet.flushChain(chain);
    for (const set of sets) inet.flushSet(set);
    for (const chain of chains) inet.deleteChain(chain);
    for (const set of sets) inet.deleteSet(set);
  }
  return [...batches, inet];
}
