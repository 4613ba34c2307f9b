/**
 * nf_tables of one network namespace: transactions, dumps, and word of what others change.
 * @source kernel net/netfilter/nfnetlink.c, nf_tables_api.c
 */
import { ERRNO } from "../errno.ts";
import { type Attribute, asBe32, asText, attributeMap, text } from "../netlink/attributes.ts";
import { NETLINK, NLM_F } from "../netlink/flags.ts";
import { type Message, NetlinkError, type Reply } from "../netlink/message.ts";
import { NetlinkSocket } from "../netlink/socket.ts";
import { type Batch, familyHeader } from "./batch.ts";
import {
  type Family,
  NFNL,
  NFPROTO,
  NFT_MSG,
  NFTA_CHAIN,
  NFTA_HOOK,
  NFTA_RULE,
  NFTA_SET,
  NFTA_TABLE,
} from "./flags.ts";

/** The kernel says these when another transaction was in the way. */
const BUSY: readonly number[] = [ERRNO.EBUSY, ERRNO.EAGAIN, ERRNO.ERESTART, ERRNO.EINTR];
const TRIES = 5;

const NAMES = new Map<number, Family>(
  Object.entries(NFPROTO).map(([name, number]) => [number, name as Family]),
);
const ALL_FAMILIES = 0;

export interface ListedTable {
  family: Family;
  name: string;
}

export interface ListedChain {
  family: Family;
  table: string;
  name: string;
  /** Of a base chain: packets go there by themselves. */
  base?: { type: string; hook: number; priority: number; drops: boolean };
}

export interface ListedRule {
  chain: string;
  /** As `deleteRule` takes it. */
  handle: Uint8Array;
  expressions: Uint8Array;
  userdata: Uint8Array | undefined;
}

/** A change of somebody's, or the end of a transaction. */
export interface Change {
  /** Of NFT_MSG. */
  message: number;
  family: Family | undefined;
  table: string;
  /** Of a chain, a rule; of a set or its elements, the set's. */
  name: string;
  /** A chain that packets go to by themselves. */
  base: boolean;
  /** Whose: compare with `Nftables.port`. */
  port: number;
}

export class Nftables implements Disposable {
  readonly #socket: NetlinkSocket;

  /** By which notifications tell our own changes from those of others. */
  readonly port: number;

  /** Of the namespace of that descriptor; else of the calling thread's. */
  constructor(namespace?: number) {
    this.#socket = new NetlinkSocket(NETLINK.NETLINK_NETFILTER, namespace);
    const [reply] = this.#socket.request(get("NFT_MSG_GETGEN", ALL_FAMILIES, "read the generation"));
    this.port = reply?.port ?? 0;
  }

  /**
   * Does all of the batches or nothing, at one moment.
   * @throws NetlinkError the first that the kernel refused
   */
  commit(...batches: readonly Batch[]): void {
    const messages = batches.flatMap((batch) => batch.messages);
    if (messages.length === 0) return;
    // Only the last is acknowledged: nothing is told of the others unless they fail, and then of each that does.
    const last = messages.at(-1)!;
    const sent = [
      bracket(NFNL.NFNL_MSG_BATCH_BEGIN),
      ...messages.slice(0, -1),
      { ...last, flags: last.flags | NLM_F.NLM_F_ACK },
      bracket(NFNL.NFNL_MSG_BATCH_END),
    ];
    for (let n = 1; ; n++) {
      try {
        this.#socket.batch(sent);
        return;
      } catch (error) {
        if (!(error instanceof NetlinkError) || !BUSY.includes(error.errno) || n === TRIES) throw error;
      }
    }
  }

  tables(): ListedTable[] {
    return this.#dump("NFT_MSG_GETTABLE", ALL_FAMILIES, "list tables").flatMap((reply) => {
      const family = familyOf(reply);
      return family ? [{ family, name: asText(attributesOf(reply)?.get(NFTA_TABLE.NAME)) }] : [];
    });
  }

  /** The names of a table's sets and maps. Empty when there is no such table. */
  sets(family: Family, table: string): string[] {
    return this.#dumpIfThere("NFT_MSG_GETSET", NFPROTO[family], `list sets of table ${table}`, [
      text(NFTA_SET.TABLE, table),
    ]).map((reply) => asText(attributesOf(reply)?.get(NFTA_SET.NAME)));
  }

  /** Of all tables of all families that are understood here. */
  chains(): ListedChain[] {
    return this.#dump("NFT_MSG_GETCHAIN", ALL_FAMILIES, "list chains").flatMap((reply) => {
      const family = familyOf(reply);
      const attributes = attributesOf(reply)!;
      if (!family) return [];
      const hook = attributes.get(NFTA_CHAIN.HOOK);
      const inside = hook && attributeMap(hook);
      return [
        {
          family,
          table: asText(attributes.get(NFTA_CHAIN.TABLE)),
          name: asText(attributes.get(NFTA_CHAIN.NAME)),
          ...(inside && {
            base: {
              type: asText(attributes.get(NFTA_CHAIN.TYPE)),
              hook: asBe32(inside.get(NFTA_HOOK.HOOKNUM)),
              priority: asBe32(inside.get(NFTA_HOOK.PRIORITY)) | 0,
              drops: asBe32(attributes.get(NFTA_CHAIN.POLICY)) === 0,
            },
          }),
        },
      ];
    });
  }

  /** Of one chain, or of all of a table. Empty when there is no such thing. */
  rules(family: Family, table: string, chain?: string): ListedRule[] {
    const filter = [
      text(NFTA_RULE.TABLE, table),
      ...(chain === undefined ? [] : [text(NFTA_RULE.CHAIN, chain)]),
    ];
    const what = `list rules of table ${table}`;
    return this.#dumpIfThere("NFT_MSG_GETRULE", NFPROTO[family], what, filter).flatMap((reply) => {
      const attributes = attributesOf(reply)!;
      const rule = {
        chain: asText(attributes.get(NFTA_RULE.CHAIN)),
        handle: attributes.get(NFTA_RULE.HANDLE) ?? new Uint8Array(8),
        expressions: attributes.get(NFTA_RULE.EXPRESSIONS) ?? new Uint8Array(0),
        userdata: attributes.get(NFTA_RULE.USERDATA),
      };
      // Kernels that do not filter send all.
      const wanted =
        asText(attributes.get(NFTA_RULE.TABLE)) === table && (chain ?? rule.chain) === rule.chain;
      return wanted && familyOf(reply) === family ? [rule] : [];
    });
  }

  #dump(type: keyof typeof NFT_MSG, family: number, what: string, filter: Attribute[] = []): Reply[] {
    return this.#socket.dump(get(type, family, what, filter));
  }

  #dumpIfThere(type: keyof typeof NFT_MSG, family: number, what: string, filter: Attribute[]): Reply[] {
    try {
      return this.#dump(type, family, what, filter);
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ERRNO.ENOENT) return [];
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** What a notification says; undefined for those of other subsystems. */
export function decodeChange(reply: Reply): Change | undefined {
  if ((reply.type & 0xff00) !== NFNL.NFNL_SUBSYS_NFTABLES) return undefined;
  const message = reply.type & 0xff;
  const attributes = attributesOf(reply)!;
  const isChain = message === NFT_MSG.NFT_MSG_NEWCHAIN || message === NFT_MSG.NFT_MSG_DELCHAIN;
  // The table comes first in all of them, then the chain or the set; a chain's own name is its third.
  const name = asText(attributes.get(isChain ? NFTA_CHAIN.NAME : NFTA_RULE.CHAIN));
  const base = isChain && attributes.has(NFTA_CHAIN.HOOK);
  const { port } = reply;
  if (message === NFT_MSG.NFT_MSG_NEWGEN) {
    return { message, family: undefined, table: "", name: "", base, port };
  }
  return {
    message,
    family: familyOf(reply),
    table: asText(attributes.get(NFTA_TABLE.NAME)),
    name,
    base,
    port,
  };
}

const bracket = (type: number): Message => ({
  type,
  flags: 0,
  body: [familyHeader(0, NFNL.NFNL_SUBSYS_NFTABLES >> 8)],
  what: "commit to nftables",
});

const get = (
  type: keyof typeof NFT_MSG,
  family: number,
  what: string,
  attributes: readonly Attribute[] = [],
): Message => ({
  type: NFNL.NFNL_SUBSYS_NFTABLES | NFT_MSG[type],
  flags: 0,
  body: [familyHeader(family), ...attributes],
  what: `${what} (nftables)`,
});

const familyOf = (reply: Reply): Family | undefined => NAMES.get(reply.body[0] ?? 0);

function attributesOf(reply: Reply | undefined): Map<number, Uint8Array> | undefined {
  return reply && attributeMap(reply.body.subarray(4));
}
