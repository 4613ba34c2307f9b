/** Numbers of nf_tables: linux/netfilter/nf_tables.h, nfnetlink.h, netfilter.h; those of userdata are libnftnl's. */

/** nlmsghdr.nlmsg_type: the subsystem above, the message below. */
export const NFNL = {
  NFNL_MSG_BATCH_BEGIN: 16,
  NFNL_MSG_BATCH_END: 17,
  NFNL_SUBSYS_CTNETLINK: 1 << 8,
  NFNL_SUBSYS_NFTABLES: 10 << 8,
  NFNL_BATCH_GENID: 1,
  /** The group that is told of every change. */
  NFNLGRP_NFTABLES: 7,
} as const;

export const NFT_MSG = {
  NFT_MSG_NEWTABLE: 0,
  NFT_MSG_GETTABLE: 1,
  NFT_MSG_DELTABLE: 2,
  NFT_MSG_NEWCHAIN: 3,
  NFT_MSG_GETCHAIN: 4,
  NFT_MSG_DELCHAIN: 5,
  NFT_MSG_NEWRULE: 6,
  NFT_MSG_GETRULE: 7,
  NFT_MSG_DELRULE: 8,
  NFT_MSG_NEWSET: 9,
  NFT_MSG_GETSET: 10,
  NFT_MSG_DELSET: 11,
  NFT_MSG_NEWSETELEM: 12,
  NFT_MSG_GETSETELEM: 13,
  NFT_MSG_DELSETELEM: 14,
  NFT_MSG_NEWGEN: 15,
  NFT_MSG_GETGEN: 16,
} as const;

/** nfgenmsg.nfgen_family. */
export const NFPROTO = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;
export type Family = keyof typeof NFPROTO;

/** The hooks of ip, ip6, inet and bridge. */
export const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
export type Hook = keyof typeof HOOK;

/** `raw`, `dstnat`, `filter`, `srcnat`, as nft calls them. */
export const PRIORITY = { raw: -300, dstnat: -100, filter: 0, srcnat: 100 } as const;

/** Verdicts that are numbers; those with a chain are below zero. */
export const VERDICT = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

export const META = { protocol: 1, mark: 3, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
export const PAYLOAD_BASE = { link: 0, network: 1, transport: 2 } as const;
export const CT = { state: 0, status: 2 } as const;
/** Bits of `ct state` and `ct status`. */
export const CT_STATE = { established: 2, related: 4 } as const;
export const IPS_DST_NAT = 0x20;
/** `fib daddr type`, and what it gives for an address of this host. */
export const FIB = {
  NFT_FIB_RESULT_ADDRTYPE: 3,
  NFTA_FIB_F_SADDR: 1,
  NFTA_FIB_F_DADDR: 2,
  RTN_LOCAL: 2,
} as const;

export const NFT_SET = { constant: 2, interval: 4, map: 8 } as const;
export const NFT_SET_ELEM_INTERVAL_END = 1;

export const NFTA_TABLE = { NAME: 1, FLAGS: 2, USERDATA: 6 } as const;
export const NFTA_CHAIN = {
  TABLE: 1,
  HANDLE: 2,
  NAME: 3,
  HOOK: 4,
  POLICY: 5,
  TYPE: 7,
  USERDATA: 12,
} as const;
export const NFTA_HOOK = { HOOKNUM: 1, PRIORITY: 2 } as const;
export const NFTA_RULE = {
  TABLE: 1,
  CHAIN: 2,
  HANDLE: 3,
  EXPRESSIONS: 4,
  COMPAT: 5,
  POSITION: 6,
  USERDATA: 7,
} as const;
export const NFTA_SET = {
  TABLE: 1,
  NAME: 2,
  FLAGS: 3,
  KEY_TYPE: 4,
  KEY_LEN: 5,
  DATA_TYPE: 6,
  DATA_LEN: 7,
  ID: 10,
  USERDATA: 13,
} as const;
export const NFTA_SET_ELEM_LIST = { TABLE: 1, SET: 2, ELEMENTS: 3, SET_ID: 4 } as const;
export const NFTA_SET_ELEM = { KEY: 1, DATA: 2, FLAGS: 3, USERDATA: 6 } as const;
export const NFTA_LIST_ELEM = 1;
export const NFTA_EXPR = { NAME: 1, DATA: 2 } as const;
export const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const;
export const NFTA_VERDICT = { CODE: 1, CHAIN: 2 } as const;
