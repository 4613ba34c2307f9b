/** The chains of one bridge: who may reach its containers, and what becomes of addresses on the way. */
import { addressBytes } from "../../../../ffi/inet.ts";
import type { Batch, Element } from "../../../../ffi/nftables/batch.ts";
import { counter, drop, type Expression, leave, masquerade } from "../../../../ffi/nftables/expressions.ts";
import {
  destinationChanged,
  dport,
  established,
  iifname,
  is,
  isNot,
  l4proto,
  lookUp,
  nfproto,
  oifname,
  snatTo,
  within,
} from "../../../../ffi/nftables/fields.ts";
import { ifnameValue, protocolValue } from "../../../../ffi/nftables/types.ts";
import type { FirewallFamily, FirewallNetwork } from "../../types.ts";
import { reachedByLoopback, translates } from "../state.ts";
import { FAMILIES, type FamilySets, FOREIGN_BRIDGES, JUMPS, networkChains, OWN_BRIDGES } from "./names.ts";
import { letThrough, neighbourDiscovery } from "./skeleton.ts";

const LOOPBACK = { address: new Uint8Array([127, 0, 0, 0]), bits: 8 };

function prefixOf(cidr: string): { address: Uint8Array; bits: number } {
  const [address = "", bits] = cidr.split("/");
  return { address: addressBytes(address), bits: Number(bits) };
}

interface OfFamily {
  sets: FamilySets;
  family: FirewallFamily;
}

const familiesOf = ({ ipv4, ipv6 }: FirewallNetwork): OfFamily[] =>
  FAMILIES.flatMap((sets) => {
    const family = sets.ip.family === 2 ? ipv4 : ipv6;
    return family ? [{ sets, family }] : [];
  });

/** Empty chains; `addNetworkRules` fills them. */
export function addNetworkChains(batch: Batch, { bridge }: FirewallNetwork): void {
  for (const chain of Object.values(networkChains(bridge))) batch.addChain(chain);
}

export function addNetworkRules(batch: Batch, network: FirewallNetwork): void {
  addTo(batch, network);
  addFrom(batch, network);
  if (network.internal) return;
  for (const of of familiesOf(network)) {
    if (!translates(of.family)) continue;
    addNatTo(batch, network, of);
    addNatFrom(batch, network, of);
  }
}

/** Where the maps send packets that come from the bridge, or go there. */
export function jumpElements({ bridge }: FirewallNetwork): [map: string, element: Element][] {
  const chains = networkChains(bridge);
  const key = ifnameValue(bridge);
  const jumps = (Object.keys(JUMPS) as (keyof typeof JUMPS)[]).map((name): [string, Element] => [
    JUMPS[name],
    { key, value: { verdict: "jump", chain: chains[name] } },
  ]);
  return [...jumps, [OWN_BRIDGES, { key }]];
}

function addTo(batch: Batch, network: FirewallNetwork): void {
  const { to } = networkChains(network.bridge);
  const link = ifnameValue(network.bridge);
  const add = (comment: string | undefined, ...expressions: Expression[]) =>
    batch.addRule(to, expressions, comment);
  add(undefined, ...established(), letThrough());
  if (network.internal) add("internal network", ...isNot(iifname, link), counter(), drop());
  const published = (sets: FamilySets): Expression[] => [
    ...nfproto(sets.ip),
    ...lookUp(sets.open, [sets.ip.daddr, l4proto, dport]),
  ];
  if (network.icc) {
    add("containers among themselves", ...is(iifname, link), letThrough());
  } else {
    for (const { sets } of familiesOf(network)) {
      const { ip, linked } = sets;
      add("linked", ...nfproto(ip), ...lookUp(linked, [ip.saddr, ip.daddr, l4proto, dport]), letThrough());
      // Whoever asks the host for a published port gets it, a neighbour too.
      add(undefined, ...is(iifname, link), ...destinationChanged(), ...published(sets), letThrough());
    }
    // Seen here where bridged packets are (br_netfilter).
    for (const neighbours of neighbourDiscovery())
      add(undefined, ...is(iifname, link), ...neighbours, letThrough());
    add("containers that are kept apart", ...is(iifname, link), counter(), drop());
  }
  if (network.internal) return;
  for (const { sets, family } of familiesOf(network)) {
    if (family.mode === "routed") {
      const icmp = protocolValue(sets.ip.family === 2 ? "icmp" : "icmpv6");
      add(undefined, ...nfproto(sets.ip), ...is(l4proto, icmp), letThrough());
    }
    if (family.mode === "nat-unprotected") add("unprotected", ...nfproto(sets.ip), letThrough());
    else add("published", ...published(sets), letThrough());
  }
  add("not published", counter(), drop());
}

function addFrom(batch: Batch, network: FirewallNetwork): void {
  const { from } = networkChains(network.bridge);
  const link = ifnameValue(network.bridge);
  if (network.internal) {
    batch.addRule(from, [...isNot(oifname, link), counter(), drop()], "internal network");
    return;
  }
  // What goes to a network of ours is decided by that, later in `forward`, and what goes to one of dockerd's, by
  // dockerd. Were the map looked up here, every change would cost the kernel a walk from each network to each other.
  batch.addRule(from, [...lookUp(OWN_BRIDGES, [oifname]), leave()]);
  batch.addRule(from, [...lookUp(FOREIGN_BRIDGES, [oifname]), leave()]);
  batch.addRule(from, [letThrough()], "outgoing");
}

function addNatTo(batch: Batch, network: FirewallNetwork, { sets: { ip }, family }: OfFamily): void {
  const { natTo } = networkChains(network.bridge);
  if (ip.family === 2 && reachedByLoopback(network)) {
    batch.addRule(
      natTo,
      [...nfproto(ip), ...within(ip.saddr, LOOPBACK), masquerade()],
      "from this host by its loopback",
    );
  }
  batch.addRule(
    natTo,
    [...destinationChanged(), ...nfproto(ip), ...within(ip.saddr, prefixOf(family.subnet)), masquerade()],
    "from a container by this host's address",
  );
}

function addNatFrom(batch: Batch, network: FirewallNetwork, { sets: { ip }, family }: OfFamily): void {
  if (!family.masquerade) return;
  const { natFrom } = networkChains(network.bridge);
  const source = family.source === undefined ? [masquerade()] : snatTo(ip, addressBytes(family.source));
  batch.addRule(
    natFrom,
    [
      ...isNot(oifname, ifnameValue(network.bridge)),
      ...nfproto(ip),
      ...within(ip.saddr, prefixOf(family.subnet)),
      ...source,
    ],
    "outgoing",
  );
}
