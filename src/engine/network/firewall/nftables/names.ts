/** What our table, its chains and its sets are called: the part of `nft list ruleset` that is ours. */
import { IP4, IP6, type Ip } from "../../../../ffi/nftables/fields.ts";

/**
 * The chain that forwarded packets see first, for the machine's administrator: what is dropped there stays dropped. We
 * make it and never touch what is in it: `nft add rule inet tsd-01234567 user ip saddr 192.0.2.0/24 drop`.
 */
export const USER_CHAIN = "user";

export const CHAINS = {
  raw: "raw-prerouting",
  forward: "forward",
  /** Where what is let through goes. */
  accepted: "accepted",
  prerouting: "nat-prerouting",
  output: "nat-output",
  postrouting: "nat-postrouting",
  /** Both of those that change destinations go there. */
  publish: "publish",
} as const;

/** Of one bridge; `bridge` is the link's name. */
export const networkChains = (bridge: string) => ({
  to: `to-${bridge}`,
  from: `from-${bridge}`,
  natTo: `nat-to-${bridge}`,
  natFrom: `nat-from-${bridge}`,
});

/** Maps from a link to the chain of its network. */
export const JUMPS = {
  to: "to-bridge",
  from: "from-bridge",
  natTo: "nat-to-bridge",
  natFrom: "nat-from-bridge",
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
  /** Containers that are reached by published ports alone. */
  endpoints: string;
  /** address . link: from where they are reached directly all the same. */
  direct: string;
  /** Links that did not forward to each other before we made this host forward. */
  closed: string;
}

const sets = (ip: Ip, n: 4 | 6): FamilySets => ({
  ip,
  published: `published${n}`,
  publishedAny: `published${n}-any`,
  open: `open${n}`,
  linked: `linked${n}`,
  endpoints: `endpoints${n}`,
  direct: `direct${n}`,
  closed: `closed-links${n}`,
});

export const FAMILIES: readonly FamilySets[] = [sets(IP4, 4), sets(IP6, 6)];

/** Bridges of dockerd, which decides itself what goes there. */
/** Ours. A map of verdicts would say the same, but the kernel looks at all that a map in a chain may lead to. */
export const OWN_BRIDGES = "bridges";
export const FOREIGN_BRIDGES = "foreign-bridges";
/** Of the bridge table: links of containers that may not reach each other. */
export const ISOLATED_LINKS = "isolated-links";
