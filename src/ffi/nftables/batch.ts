/**
 * A transaction on one table: the kernel does all of it, at one moment for packets, or nothing. Messages are as nft
 * makes them, with the userdata by which `nft list ruleset` shows types and comments.
 * @source linux/netfilter/nf_tables.h, libnftnl's udata.h
 */
import { type Attribute, attribute, be32, concatenate, nested, text } from "../netlink/attributes.ts";
import { NLM_F } from "../netlink/flags.ts";
import type { Message } from "../netlink/message.ts";
import type { Expression } from "./expressions.ts";
import {
  type Family,
  HOOK,
  type Hook,
  NFNL,
  NFPROTO,
  NFT_MSG,
  NFT_SET,
  NFT_SET_ELEM_INTERVAL_END,
  NFTA_CHAIN,
  NFTA_HOOK,
  NFTA_RULE,
  NFTA_SET,
  NFTA_SET_ELEM,
  NFTA_SET_ELEM_LIST,
  NFTA_TABLE,
} from "./flags.ts";
import { concatenation, type DataType } from "./types.ts";

export interface BaseChain {
  type: "filter" | "nat";
  hook: Hook;
  /** Lower ones see a packet first. */
  priority: number;
}

export interface SetDefinition {
  name: string;
  key: readonly DataType[];
  /** Makes it a map. */
  value?: readonly DataType[];
  /** Keys are the beginnings and ends of intervals: see `prefixElements`. */
  intervals?: boolean;
  comment?: string;
}

export interface Element {
  key: Uint8Array;
  /** Of a map. */
  value?: Uint8Array;
  /** The first key behind an interval; such a one has no value. */
  ends?: true;
}

/** A list of them has to fit in an attribute, whose length has 16 bits. */
const ELEMENTS_PER_MESSAGE = 500;

const { NLM_F_CREATE, NLM_F_APPEND } = NLM_F;

/** struct nfgenmsg. The number is the subsystem in messages that begin and end a batch, otherwise 0. */
export const familyHeader = (family: number, resource = 0): Uint8Array =>
  new Uint8Array([family, 0, resource >> 8, resource & 0xff]);

function userdata(...entries: [type: number, value: Uint8Array][]): Uint8Array {
  return concatenate(
    entries.map(([type, value]) => concatenate([new Uint8Array([type, value.length]), value])),
  );
}

/** Shown by nft; at most 128 bytes with its NUL. */
function commentEntry(type: number, comment: string): [number, Uint8Array] {
  return [type, new TextEncoder().encode(`${comment}\0`)];
}

const little = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);

/** How nft says that a type is a concatenation. */
const mixed = (): Uint8Array => userdata([0, little(DATA_TYPE_CONCATENATION)], [1, new Uint8Array(0)]);
const DATA_TYPE_CONCATENATION = 13;

export class Batch {
  readonly messages: Message[] = [];
  /** The numbers that sets of this batch are known by until it is committed. */
  readonly #sets = new Map<string, number>();

  constructor(
    readonly family: Family,
    readonly table: string,
  ) {}

  /** Makes the table if it is not there. */
  addTable(comment?: string): this {
    const data =
      comment === undefined ? [] : [attribute(NFTA_TABLE.USERDATA, userdata(commentEntry(0, comment)))];
    return this.#add("NFT_MSG_NEWTABLE", 0, `add table ${this.table}`, [be32(NFTA_TABLE.FLAGS, 0), ...data]);
  }

  /** @throws ENOENT on commit when it is not there: add it before, to be sure. */
  deleteTable(): this {
    return this.#add("NFT_MSG_DELTABLE", 0, `delete table ${this.table}`, []);
  }

  addChain(name: string, base?: BaseChain, comment?: string): this {
    const hook = base && [
      text(NFTA_CHAIN.TYPE, base.type),
      nested(
        NFTA_CHAIN.HOOK,
        be32(NFTA_HOOK.HOOKNUM, HOOK[base.hook]),
        be32(NFTA_HOOK.PRIORITY, base.priority),
      ),
    ];
    return this.#add("NFT_MSG_NEWCHAIN", NLM_F_CREATE, `add chain ${name}`, [
      text(NFTA_CHAIN.NAME, name),
      ...(hook ?? []),
      ...(comment === undefined ? [] : [attribute(NFTA_CHAIN.USERDATA, userdata(commentEntry(0, comment)))]),
    ]);
  }

  /** It must be empty, with nothing left that jumps there. */
  deleteChain(name: string): this {
    return this.#add("NFT_MSG_DELCHAIN", 0, `delete chain ${name}`, [text(NFTA_CHAIN.NAME, name)]);
  }

  /** Takes out all of its rules. */
  flushChain(name: string): this {
    return this.#add("NFT_MSG_DELRULE", 0, `flush chain ${name}`, [text(NFTA_RULE.CHAIN, name)]);
  }

  /** At the end of the chain. */
  addRule(chain: string, expressions: readonly Expression[], comment?: string): this {
    return this.#add("NFT_MSG_NEWRULE", NLM_F_CREATE | NLM_F_APPEND, `add rule to chain ${chain}`, [
      ...ruleOf(chain, expressions),
      ...(comment === undefined ? [] : [attribute(NFTA_RULE.USERDATA, userdata(commentEntry(0, comment)))]),
    ]);
  }

  /** A rule with matches of xtables in it: before another, else at the end. */
  addCompatRule(chain: string, expressions: readonly Expression[], before?: Uint8Array): this {
    const flags = before ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_APPEND;
    return this.#add("NFT_MSG_NEWRULE", flags, `add rule to chain ${chain}`, [
      ...ruleOf(chain, expressions),
      nested(NFTA_RULE.COMPAT, be32(1, 0), be32(2, 0)),
      ...(before === undefined ? [] : [attribute(NFTA_RULE.POSITION, before)]),
    ]);
  }

  /** At the end of the chain, as a dump tells it: with its comment, and what its counters have counted. */
  copyRule(chain: string, rule: { expressions: Uint8Array; userdata: Uint8Array | undefined }): this {
    return this.#add("NFT_MSG_NEWRULE", NLM_F_CREATE | NLM_F_APPEND, `add rule to chain ${chain}`, [
      text(NFTA_RULE.CHAIN, chain),
      nested(NFTA_RULE.EXPRESSIONS, rule.expressions),
      ...(rule.userdata === undefined ? [] : [attribute(NFTA_RULE.USERDATA, rule.userdata)]),
    ]);
  }

  /** `handle` as a dump tells it. */
  deleteRule(chain: string, handle: Uint8Array): this {
    return this.#add("NFT_MSG_DELRULE", 0, `delete rule of chain ${chain}`, [
      text(NFTA_RULE.CHAIN, chain),
      attribute(NFTA_RULE.HANDLE, handle),
    ]);
  }

  addSet({ name, key, value, intervals, comment }: SetDefinition): this {
    const keys = concatenation(key);
    const values = value && concatenation(value);
    const data = userdata(
      [0, little(keys.order)],
      ...(values ? [[1, little(values.order)] as [number, Uint8Array]] : []),
      ...(key.length > 1 ? [[3, mixed()] as [number, Uint8Array]] : []),
      ...(value && value.length > 1 ? [[4, mixed()] as [number, Uint8Array]] : []),
      ...(values ? [[6, little(0)] as [number, Uint8Array]] : []),
      ...(comment === undefined ? [] : [commentEntry(7, comment)]),
    );
    return this.#add("NFT_MSG_NEWSET", NLM_F_CREATE, `add set ${name}`, [
      text(NFTA_SET.NAME, name),
      be32(NFTA_SET.FLAGS, (values ? NFT_SET.map : 0) | (intervals ? NFT_SET.interval : 0)),
      be32(NFTA_SET.KEY_TYPE, keys.id),
      be32(NFTA_SET.KEY_LEN, keys.length),
      ...(values ? [be32(NFTA_SET.DATA_TYPE, values.id), be32(NFTA_SET.DATA_LEN, values.length)] : []),
      be32(NFTA_SET.ID, this.#number(name)),
      attribute(NFTA_SET.USERDATA, data),
    ]);
  }

  deleteSet(name: string): this {
    return this.#add("NFT_MSG_DELSET", 0, `delete set ${name}`, [text(NFTA_SET.NAME, name)]);
  }

  /** Elements that are there already stay; another value for a key that is there is EEXIST on commit. */
  addElements(set: string, elements: readonly Element[]): this {
    return this.#elements("NFT_MSG_NEWSETELEM", NLM_F_CREATE, "add elements to", set, elements);
  }

  /** @throws ENOENT on commit when one is not there. */
  deleteElements(set: string, elements: readonly Element[]): this {
    return this.#elements("NFT_MSG_DELSETELEM", 0, "delete elements of", set, elements);
  }

  flushSet(set: string): this {
    return this.#add("NFT_MSG_DELSETELEM", 0, `flush set ${set}`, [text(NFTA_SET_ELEM_LIST.SET, set)]);
  }

  #number(set: string): number {
    const number = this.#sets.size + 1;
    this.#sets.set(set, number);
    return number;
  }

  #elements(
    type: "NFT_MSG_NEWSETELEM" | "NFT_MSG_DELSETELEM",
    flags: number,
    what: string,
    set: string,
    elements: readonly Element[],
  ): this {
    const id = this.#sets.get(set);
    for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE) {
      const some = elements.slice(at, at + ELEMENTS_PER_MESSAGE);
      this.#add(type, flags, `${what} ${set}`, [
        text(NFTA_SET_ELEM_LIST.SET, set),
        ...(id === undefined ? [] : [be32(NFTA_SET_ELEM_LIST.SET_ID, id)]),
        nested(NFTA_SET_ELEM_LIST.ELEMENTS, ...some.map(elementOf)),
      ]);
    }
    return this;
  }

  #add(type: keyof typeof NFT_MSG, flags: number, what: string, attributes: readonly Attribute[]): this {
    this.messages.push({
      type: NFNL.NFNL_SUBSYS_NFTABLES | NFT_MSG[type],
      flags,
      // The table is the first attribute of all messages.
      body: [familyHeader(NFPROTO[this.family]), text(NFTA_TABLE.NAME, this.table), ...attributes],
      what: `${what} (nftables)`,
    });
    return this;
  }
}

const ruleOf = (chain: string, expressions: readonly Expression[]): Attribute[] => [
  text(NFTA_RULE.CHAIN, chain),
  nested(NFTA_RULE.EXPRESSIONS, ...expressions),
];

/** nft counts them, from 1. */
function elementOf({ key, value, ends }: Element, at: number): Attribute {
  const data = (type: number, bytes: Uint8Array) => nested(type, attribute(1, bytes));
  return nested(
    at + 1,
    ...(ends ? [be32(NFTA_SET_ELEM.FLAGS, NFT_SET_ELEM_INTERVAL_END)] : []),
    data(NFTA_SET_ELEM.KEY, key),
    ...(value === undefined ? [] : [data(NFTA_SET_ELEM.DATA, value)]),
  );
}
