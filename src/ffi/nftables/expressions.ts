/**
 * What rules are made of: each expression is an attribute that loads registers, compares them, or decides. Registers are
 * counted here in words of four bytes, 0 to 15; attributes are in the order in which libnftnl writes them, so that the
 * bytes can be compared with nft's.
 * @source linux/netfilter/nf_tables.h, kernel net/netfilter/nft_*.c
 */
import { type Attribute, attribute, be32, nested, text } from "../netlink/attributes.ts";
import { NFTA_DATA, NFTA_EXPR, NFTA_LIST_ELEM, NFTA_VERDICT, VERDICT } from "./flags.ts";

export type Expression = Attribute;

/** Four words are a register of the old kind: the numbers 1 to 4 mean those, 8 to 23 single words. */
const register = (word: number): number => (word % 4 === 0 ? 1 + word / 4 : 8 + word);

/** How many words a value of so many bytes takes. */
export const words = (bytes: number): number => (bytes + 3) >> 2;

const expression = (name: string, ...attributes: Attribute[]): Expression =>
  nested(NFTA_LIST_ELEM, text(NFTA_EXPR.NAME, name), nested(NFTA_EXPR.DATA, ...attributes));

const value = (type: number, bytes: Uint8Array): Attribute => nested(type, attribute(NFTA_DATA.VALUE, bytes));

export const meta = (key: number, word: number): Expression =>
  expression("meta", be32(2, key), be32(1, register(word)));

export const payload = (base: number, offset: number, length: number, word: number): Expression =>
  expression("payload", be32(1, register(word)), be32(2, base), be32(3, offset), be32(4, length));

export const ct = (key: number, word: number): Expression =>
  expression("ct", be32(2, key), be32(1, register(word)));

export const fib = (result: number, flags: number, word: number): Expression =>
  expression("fib", be32(3, flags), be32(2, result), be32(1, register(word)));

export const compare = (word: number, bytes: Uint8Array, not = false): Expression =>
  expression("cmp", be32(1, register(word)), be32(2, not ? 1 : 0), value(3, bytes));

/** What the register holds becomes packet metadata. */
export const setMeta = (key: number, word: number): Expression =>
  expression("meta", be32(2, key), be32(3, register(word)));

/** The register becomes itself and the mask, with the bits of `flip` turned over. */
export const mask = (
  word: number,
  bytes: Uint8Array,
  flip: Uint8Array = new Uint8Array(bytes.length),
): Expression =>
  expression(
    "bitwise",
    be32(1, register(word)),
    be32(2, register(word)),
    be32(3, bytes.length),
    value(4, bytes),
    value(5, flip),
  );

export interface LookUp {
  /** Of a map: where its value goes. */
  into?: number;
  /** Goes on when the key is not there. */
  not?: boolean;
  /** The set's number in the same batch, as nft sends it; its name is enough. */
  id?: number;
}

/** Ends the rule when the key, from that word on, is not in the set. */
export const lookup = (word: number, set: string, { into, not, id }: LookUp = {}): Expression =>
  expression(
    "lookup",
    be32(2, register(word)),
    ...(into === undefined ? [] : [be32(3, register(into))]),
    text(1, set),
    ...(id === undefined ? [] : [be32(4, id)]),
    ...(not ? [be32(5, 1)] : []),
  );

export const immediate = (word: number, bytes: Uint8Array): Expression =>
  expression("immediate", be32(1, register(word)), value(2, bytes));

const decide = (code: keyof typeof VERDICT, chain?: string): Expression =>
  expression(
    "immediate",
    be32(1, 0),
    nested(
      2,
      nested(
        NFTA_DATA.VERDICT,
        be32(NFTA_VERDICT.CODE, VERDICT[code]),
        ...(chain === undefined ? [] : [text(NFTA_VERDICT.CHAIN, chain)]),
      ),
    ),
  );

export const accept = (): Expression => decide("accept");
export const drop = (): Expression => decide("drop");
export const leave = (): Expression => decide("return");
export const jump = (chain: string): Expression => decide("jump", chain);
export const goTo = (chain: string): Expression => decide("goto", chain);

export const counter = (): Expression => expression("counter");

/** iptables' `-m comment`, so that its programs show it: 256 bytes. Needs a kernel with xtables' matches for nf_tables. */
export function xtComment(comment: string): Expression {
  const info = new Uint8Array(256);
  info.set(new TextEncoder().encode(comment).subarray(0, 255));
  return expression("match", text(1, "comment"), be32(2, 0), attribute(3, info));
}

export const masquerade = (): Expression => expression("masq");

/** To the host's own address, at the port in that word. */
export const redirect = (portWord: number): Expression => expression("redir", be32(1, register(portWord)));

/** `family` is 2 for IPv4 and 10 for IPv6; the address, and the port if any, are in registers. */
export const nat = (
  kind: "snat" | "dnat",
  family: number,
  addressWord: number,
  portWord?: number,
): Expression =>
  expression(
    "nat",
    be32(1, kind === "snat" ? 0 : 1),
    be32(2, family),
    be32(3, register(addressWord)),
    ...(portWord === undefined ? [] : [be32(5, register(portWord))]),
  );
