/**
 * The rules of the iptables backend, as Docker has them with its userland proxy: ts-proxy has what this host sends to its
 * loopback, and what containers send to ports of their own bridge. They are in the chains that Docker 28 and 29 have, so
 * that what is written about those is true here too. Others may have rules in the same chains, dockerd for one: ours are
 * told by their comment.
 */
import { createHash } from "node:crypto";
import { isAny, isSix } from "../../bindings.ts";
import type { FirewallEndpoint, FirewallFamily, FirewallNetwork, PortBinding } from "../../types.ts";
import type { FirewallState } from "../state.ts";
import { hidesContainers, translates } from "../state.ts";

export type Version = 4 | 6;
export type Table = "raw" | "nat" | "filter";

export interface Rule {
  table: Table;
  chain: string;
  /** Words after the chain, without our comment. */
  words: string[];
  /** What comes later must not take it: it goes before the others of its chain. */
  first?: true;
}

export const USER = "DOCKER-USER";
export const FORWARD = "DOCKER-FORWARD";
const PORTS = "DOCKER";
const TRACKED = "DOCKER-CT";
const INTERNAL = "DOCKER-INTERNAL";
const BRIDGE = "DOCKER-BRIDGE";

/** Ours to make, and to remove when they are empty; by table. */
export const OWN_CHAINS: Record<Table, readonly string[]> = {
  raw: [],
  nat: [PORTS],
  filter: [USER, FORWARD, PORTS, TRACKED, INTERNAL, BRIDGE],
};

const LOOPBACK: Record<Version, string> = { 4: "127.0.0.0/8", 6: "::1/128" };

/** A rule's comment: whose it is, and which. */
export function commentOf(tag: string, { table, chain, words }: Rule): string {
  const text = [table, chain, ...words].join(" ");
  return `${tag} ${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
}

/**
 * All of a family's, each once, those of a chain in their order. None when there is no network.
 * @param foreign bridges of dockerd, which decides itself what goes there
 */
export function rulesOf(state: FirewallState, version: Version, foreign: readonly string[]): Rule[] {
  const rules: Rule[] = [];
  const networks = [...state.networks.values()].flatMap((network) => {
    const family = version === 4 ? network.ipv4 : network.ipv6;
    return family ? [{ network, family }] : [];
  });
  if (networks.length === 0) return [];
  jumps(rules, version);
  for (const { network, family } of networks) {
    if (network.internal) internal(rules, version, network, family);
    else external(rules, version, network, family, foreign);
  }
  for (const endpoint of state.endpoints.values()) {
    const network = state.networkOf(endpoint);
    const family = version === 4 ? network?.ipv4 : network?.ipv6;
    if (network && family) endpointRules(rules, version, endpoint, network, family);
  }
  return unique(rules);
}

/** Two host ports of one container's port open it once. */
function unique(rules: readonly Rule[]): Rule[] {
  return [
    ...new Map(rules.map((rule) => [`${rule.table} ${rule.chain} ${rule.words.join(" ")}`, rule])).values(),
  ];
}

function adder(rules: Rule[], table: Table): (chain: string, words: string, first?: true) => void {
  return (chain, words, first) =>
    rules.push({ table, chain, words: words.split(" "), ...(first && { first }) });
}

function jumps(rules: Rule[], version: Version): void {
  const filter = adder(rules, "filter");
  const nat = adder(rules, "nat");
  for (const chain of [TRACKED, INTERNAL, BRIDGE]) filter(FORWARD, `-j ${chain}`, true);
  nat("PREROUTING", `-m addrtype --dst-type LOCAL -j ${PORTS}`);
  nat("OUTPUT", `! -d ${LOOPBACK[version]} -m addrtype --dst-type LOCAL -j ${PORTS}`);
}

function internal(
  rules: Rule[],
  version: Version,
  { bridge, icc }: FirewallNetwork,
  { subnet }: FirewallFamily,
): void {
  const filter = adder(rules, "filter");
  const [leaving, entering] = version === 4 ? ["", ""] : [`! -o ${bridge} `, `! -i ${bridge} `];
  filter(INTERNAL, `-i ${bridge} ${leaving}! -d ${subnet} -j DROP`);
  filter(INTERNAL, `${entering}-o ${bridge} ! -s ${subnet} -j DROP`);
  filter(FORWARD, `-i ${bridge} -o ${bridge} -j ${icc ? "ACCEPT" : "DROP"}`);
}

function external(
  rules: Rule[],
  version: Version,
  network: FirewallNetwork,
  family: FirewallFamily,
  foreign: readonly string[],
): void {
  const { bridge, icc } = network;
  const filter = adder(rules, "filter");
  filter(TRACKED, `-o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`);
  filter(BRIDGE, `-o ${bridge} -j ${PORTS}`);
  for (const other of foreign) filter(FORWARD, `-i ${bridge} -o ${other} -j RETURN`, true);
  if (!icc) filter(FORWARD, `-i ${bridge} -o ${bridge} -j DROP`);
  filter(FORWARD, icc ? `-i ${bridge} -j ACCEPT` : `-i ${bridge} ! -o ${bridge} -j ACCEPT`);
  if (!translates(family)) {
    filter(PORTS, `-o ${bridge} -p ${version === 4 ? "icmp" : "ipv6-icmp"} -j ACCEPT`);
  }
  const rest = family.mode === "nat-unprotected" ? "ACCEPT" : "DROP";
  filter(PORTS, `! -i ${bridge} -o ${bridge} -j ${rest}`);
  if (!translates(family)) return;
  const nat = adder(rules, "nat");
  const source = family.source === undefined ? "MASQUERADE" : `SNAT --to-source ${family.source}`;
  if (family.masquerade) nat("POSTROUTING", `-s ${family.subnet} ! -o ${bridge} -j ${source}`);
}

function endpointRules(
  rules: Rule[],
  version: Version,
  endpoint: FirewallEndpoint,
  network: FirewallNetwork,
  family: FirewallFamily,
): void {
  const address = version === 4 ? endpoint.ipv4 : endpoint.ipv6;
  if (address === undefined) return;
  const { bridge } = network;
  const raw = adder(rules, "raw");
  if (hidesContainers(network, family)) {
    for (const link of network.trustedInterfaces) raw("PREROUTING", `-d ${address} -i ${link} -j ACCEPT`);
    raw("PREROUTING", `-d ${address} ! -i ${bridge} -j DROP`);
  }
  if (!network.internal) {
    for (const port of endpoint.ports) {
      if (isSix(port.hostIp) === (version === 6)) {
        portRules(rules, version, address, network, family, port);
      }
    }
  }
  const filter = adder(rules, "filter");
  for (const { from, protocol, port } of endpoint.links ?? []) {
    if (network.icc || isSix(from) !== (version === 6)) continue;
    const both = `-i ${bridge} -o ${bridge} -p ${protocol}`;
    filter(PORTS, `${both} -s ${from} -d ${address} --dport ${port} -j ACCEPT`, true);
    filter(PORTS, `${both} -s ${address} -d ${from} --sport ${port} -j ACCEPT`, true);
  }
}

function portRules(
  rules: Rule[],
  version: Version,
  address: string,
  { bridge }: FirewallNetwork,
  family: FirewallFamily,
  { protocol, hostIp, hostPort, containerPort }: PortBinding,
): void {
  if (family.mode !== "nat-unprotected") {
    const opened = `-d ${address} ! -i ${bridge} -o ${bridge} -p ${protocol} --dport ${containerPort}`;
    adder(rules, "filter")(PORTS, `${opened} -j ACCEPT`, true);
  }
  if (!translates(family) || hostPort === 0) return;
  const nat = adder(rules, "nat");
  const to = `${version === 6 ? `[${address}]` : address}:${containerPort}`;
  const where = isAny(hostIp) ? "" : `-d ${hostIp} `;
  const from = `! -i ${bridge} ${version === 6 ? "! -s fe80::/10 " : ""}`;
  nat(PORTS, `${where}${from}-p ${protocol} --dport ${hostPort} -j DNAT --to-destination ${to}`);
  if (hostIp.startsWith("127.")) {
    adder(rules, "raw")("PREROUTING", `-d ${hostIp} ! -i lo -p ${protocol} --dport ${hostPort} -j DROP`);
  }
}
