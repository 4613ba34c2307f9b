/** The whole of our tables as one transaction: what they are made from, rebuilt to and taken away by. */
import { Batch, type Element } from "../../../../ffi/nftables/batch.ts";
import type { Nftables } from "../../../../ffi/nftables/connection.ts";
import { ifnameValue } from "../../../../ffi/nftables/types.ts";
import type { ClosedLinks } from "../forwarding.ts";
import type { FirewallState } from "../state.ts";
import { type Elements, endpointElements } from "./elements.ts";
import { CHAINS, FAMILIES, FOREIGN_BRIDGES, networkChains, USER_CHAIN } from "./names.ts";
import { addNetworkChains, addNetworkRules, jumpElements } from "./network.ts";
import {
  addBridgeTable,
  addChains,
  addRules,
  addSets,
  BRIDGE_SET_NAMES,
  SET_NAMES,
  type Skeleton,
} from "./skeleton.ts";

export interface Wanted extends Skeleton {
  state: FirewallState;
  closedLinks: ClosedLinks;
  foreignBridges: readonly string[];
}

/** Whether containers are kept apart anywhere: only then is there a bridge table. */
export const needsBridgeTable = ({ networks }: FirewallState): boolean =>
  [...networks.values()].some(({ icc }) => !icc);

const ownChains = (nftables: Nftables, table: string, family: "inet" | "bridge"): string[] =>
  nftables
    .chains()
    .filter((chain) => chain.family === family && chain.table === table)
    .map(({ name }) => name);

/**
 * The tables become what is wanted, whatever is in them; packets see the old state or the new. The user's chain stays.
 * Nothing is asked of them that is not sure to be there: everything is added before it is emptied.
 */
export function rebuild(nftables: Nftables, table: string, wanted: Wanted): Batch[] {
  const { state } = wanted;
  const networks = [...state.networks.values()];
  const inet = new Batch("inet", table).addTable("containers of tsd");
  addChains(inet);
  addSets(inet);
  const kept = new Set<string>([USER_CHAIN, ...Object.values(CHAINS)]);
  for (const network of networks) {
    addNetworkChains(inet, network);
    for (const chain of Object.values(networkChains(network.bridge))) kept.add(chain);
  }
  const stale = ownChains(nftables, table, "inet").filter((chain) => !kept.has(chain));
  for (const chain of [...kept, ...stale]) if (chain !== USER_CHAIN) inet.flushChain(chain);
  for (const set of SET_NAMES) inet.flushSet(set);
  for (const chain of stale) inet.deleteChain(chain);
  addRules(inet, wanted);
  for (const network of networks) {
    addNetworkRules(inet, network);
    for (const [map, element] of jumpElements(network)) inet.addElements(map, [element]);
  }
  const apart = new Set(["lo", ...wanted.foreignBridges, ...networks.map(({ bridge }) => bridge)]);
  for (const { ip, closed } of FAMILIES) {
    const links = ip.family === 2 ? wanted.closedLinks.four : wanted.closedLinks.six;
    const some = links.filter((link) => !apart.has(link));
    addLinks(inet, closed, some);
  }
  addLinks(inet, FOREIGN_BRIDGES, wanted.foreignBridges);
  const bridge = bridgeTable(nftables, table, state);
  addElements(allElements(state), { inet, bridge });
  return [inet, bridge];
}

function bridgeTable(nftables: Nftables, table: string, state: FirewallState): Batch {
  const batch = new Batch("bridge", table);
  if (needsBridgeTable(state)) {
    batch.addTable("containers of tsd");
    addBridgeTable(batch);
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
    const chains = ownChains(nftables, table, "inet").filter((chain) => chain !== USER_CHAIN);
    for (const chain of chains) inet.flushChain(chain);
    const sets = nftables.sets("inet", table);
    for (const set of sets) inet.flushSet(set);
    for (const chain of chains) inet.deleteChain(chain);
    for (const set of sets) inet.deleteSet(set);
  }
  return [...batches, inet];
}
