/** What our table, its chains and its sets are called: the part of `nft list ruleset` that is ours. */
import { IP4, IP6, type Ip } from "../../../../ffi/nftables/fields.ts";

/**
 * The chain that forwarded packets see first, for the machine's administrator: what is dropped there stays dropped. We
 * make it and never touch what is in it: `nft add rule inet tsd-01234567 user ip saddr 192.0.2.0/24 drop`.
 */
export const USER_CHAIN = "user";

/** The same for all networks: what differs between them is in the sets alone. */
export const CHAINS = {
  raw: "raw-prerouting",
  forward: "forward",
  /** Packets of connections that exist, where what is let through is marked. */
  established: "established",
  /** Of internal networks. */
  internal: "internal",
  /** From a container to another of its bridge. */
  neighbours: "neighbours",
  /** To a container from elsewhere. */
  incoming: "incoming",
  /** To a container from elsewhere, where its open ports may be reached. */
  open: "open",
  /** Where what is let through goes. */
  accepted: "accepted",
  prerouting: "nat-prerouting",
  output: "nat-output",
  postrouting: "nat-postrouting",
  natIncoming: "nat-incoming",
  natOutgoing: "nat-outgoing",
  /** Both of those that change destinations go there. */
  publish: "publish",
} as const;

export interface FamilySets {
  ip: Ip;
  /** address . protocol . port of the host : address . port of the container */
  published: string;
  /** protocol . port of any of the host's addresses : address . port of the container */
  publishedAny: string;
  /** address . protocol . port of a container that may be reached from outside of its network */
  open: string;
  /** from . to . protocol . port: what `--link` lets through where containers are kept apart */
  linked: string;
  /** Bridges whose containers' open ports are reached at their own addresses. */
  routed: string;
  /** Bridges whose containers are reached at all ports. */
  unprotected: string;
  /** Of networks where addresses are changed on the way. */
  subnets: string;
  /** Bridges whose subnets' packets go out with the address of the link that they leave by. */
  masqueraded: string;
  /** bridge : the address that its subnet's packets go out with instead */
  sources: string;
  /** Links that did not forward to each other before we made this host forward. */
  closed: string;
}

const sets = (ip: Ip, n: 4 | 6): FamilySets => ({
  ip,
  published: `published${n}`,
  publishedAny: `published${n}-any`,
  open: `open${n}`,
  linked: `linked${n}`,
  routed: `routed${n}`,
  unprotected: `unprotected${n}`,
  subnets: `subnets${n}`,
  masqueraded: `masqueraded${n}`,
  sources: `sources${n}`,
  closed: `closed-links${n}`,
});

export const FAMILIES: readonly FamilySets[] = [sets(IP4, 4), sets(IP6, 6)];

/** Ours, but for those of internal networks. */
export const BRIDGES = "bridges";
export const INTERNAL_BRIDGES = "internal-bridges";
/** Each of both kinds twice, bridge . bridge: the packet stays on its bridge. */
export const SAME_BRIDGE = "same-bridge";
/** Of both kinds: their containers may not reach each other. */
export const APART_BRIDGES = "apart-bridges";
/** link . bridge: from where containers are reached directly, as from this host. */
export const TRUSTED_LINKS = "trusted-links";
/** Bridges of dockerd, which decides itself what goes there. */
export const FOREIGN_BRIDGES = "foreign-bridges";
/** Of the bridge table: links of containers that may not reach each other. */
export const ISOLATED_LINKS = "isolated-links";
