/** What all netlink families share: linux/netlink.h. */

/** Families: the third argument of socket(2). */
export const NETLINK = {
  NETLINK_ROUTE: 0,
  NETLINK_NETFILTER: 12,
} as const;

/** nlmsghdr.nlmsg_type below the families' own. */
export const NLMSG = {
  NLMSG_NOOP: 1,
  NLMSG_ERROR: 2,
  NLMSG_DONE: 3,
  NLMSG_OVERRUN: 4,
  NLMSG_MIN_TYPE: 0x10,
} as const;

/** nlmsghdr.nlmsg_flags. The same bits mean one thing in a get and another in a new, and in an acknowledgement. */
export const NLM_F = {
  NLM_F_REQUEST: 1,
  NLM_F_MULTI: 2,
  NLM_F_ACK: 4,
  NLM_F_ECHO: 8,
  NLM_F_DUMP_INTR: 0x10,
  NLM_F_ROOT: 0x100,
  NLM_F_MATCH: 0x200,
  NLM_F_ATOMIC: 0x400,
  NLM_F_DUMP: 0x300,
  NLM_F_REPLACE: 0x100,
  NLM_F_EXCL: 0x200,
  NLM_F_CREATE: 0x400,
  NLM_F_APPEND: 0x800,
  NLM_F_NONREC: 0x100,
  NLM_F_BULK: 0x200,
  NLM_F_CAPPED: 0x100,
  NLM_F_ACK_TLVS: 0x200,
} as const;

/** nlattr.nla_type: two flags above the number. */
export const NLA = {
  NLA_F_NESTED: 0x8000,
  NLA_F_NET_BYTEORDER: 0x4000,
  NLA_TYPE_MASK: 0x3fff,
} as const;

/** Attributes of an acknowledgement. */
export const NLMSGERR_ATTR = {
  NLMSGERR_ATTR_MSG: 1,
  NLMSGERR_ATTR_OFFS: 2,
  NLMSGERR_ATTR_COOKIE: 3,
  NLMSGERR_ATTR_POLICY: 4,
  NLMSGERR_ATTR_MISS_TYPE: 5,
  NLMSGERR_ATTR_MISS_NEST: 6,
} as const;

/** setsockopt(2) at SOL_NETLINK, and what netlink sockets use of SOL_SOCKET. */
export const NETLINK_OPTION = {
  SOL_NETLINK: 270,
  NETLINK_ADD_MEMBERSHIP: 1,
  NETLINK_DROP_MEMBERSHIP: 2,
  NETLINK_NO_ENOBUFS: 5,
  NETLINK_CAP_ACK: 10,
  NETLINK_EXT_ACK: 11,
  NETLINK_GET_STRICT_CHK: 12,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
} as const;
