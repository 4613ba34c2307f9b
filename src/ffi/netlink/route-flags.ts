/** rtnetlink: linux/rtnetlink.h, if_link.h, if_addr.h, if.h, if_bridge.h. */

/** nlmsghdr.nlmsg_type. */
/** Groups that are told of changes. @source linux/rtnetlink.h (enum rtnetlink_groups) */
export const RTNLGRP = {
  RTNLGRP_IPV4_IFADDR: 5,
  RTNLGRP_IPV4_ROUTE: 7,
  RTNLGRP_IPV6_IFADDR: 9,
  RTNLGRP_IPV6_ROUTE: 11,
} as const;

export const RTM = {
  RTM_NEWLINK: 16,
  RTM_DELLINK: 17,
  RTM_GETLINK: 18,
  RTM_NEWADDR: 20,
  RTM_DELADDR: 21,
  RTM_GETADDR: 22,
  RTM_NEWROUTE: 24,
  RTM_DELROUTE: 25,
  RTM_GETROUTE: 26,
  RTM_NEWNEIGH: 28,
} as const;

/** Address families. */
export const AF = {
  AF_UNSPEC: 0,
  AF_INET: 2,
  AF_BRIDGE: 7,
  AF_INET6: 10,
  AF_PACKET: 17,
} as const;

/** struct ifinfomsg, flags. */
export const IFF = {
  IFF_UP: 1,
} as const;

/** Attributes of a link. */
export const IFLA = {
  IFLA_ADDRESS: 1,
  IFLA_IFNAME: 3,
  IFLA_MTU: 4,
  IFLA_LINK: 5,
  IFLA_MASTER: 10,
  IFLA_OPERSTATE: 16,
  IFLA_LINKINFO: 18,
  IFLA_IFALIAS: 20,
  IFLA_AF_SPEC: 26,
  IFLA_GROUP: 27,
  IFLA_NET_NS_FD: 28,
  IFLA_EXT_MASK: 29,
  IFLA_ALT_IFNAME: 53,
} as const;

/** Inside IFLA_AF_SPEC, inside AF_INET6: linux/if_link.h. */
export const IFLA_INET6_ADDR_GEN_MODE = 8;
export const IN6_ADDR_GEN_MODE_NONE = 1;

/** Inside IFLA_LINKINFO. */
export const IFLA_INFO = {
  IFLA_INFO_KIND: 1,
  IFLA_INFO_DATA: 2,
  IFLA_INFO_SLAVE_KIND: 4,
  IFLA_INFO_SLAVE_DATA: 5,
} as const;

/** Inside IFLA_INFO_DATA, by kind. */
export const IFLA_KIND = {
  VETH_INFO_PEER: 1,
  IFLA_VLAN_ID: 1,
  IFLA_MACVLAN_MODE: 1,
  IFLA_IPVLAN_MODE: 1,
  IFLA_IPVLAN_FLAGS: 2,
  IFLA_BR_FORWARD_DELAY: 1,
  IFLA_BR_STP_STATE: 5,
  IFLA_BR_MCAST_SNOOPING: 23,
  IFLA_BRPORT_STATE: 1,
  IFLA_BRPORT_MODE: 4,
} as const;

/** IFLA_OPERSTATE. */
export const IF_OPER_UP = 6;

/** IFLA_BRPORT_STATE: frames go in and out. */
export const BR_STATE_FORWARDING = 3;

/** IFLA_MACVLAN_MODE. */
export const MACVLAN_MODE = {
  private: 1,
  vepa: 2,
  bridge: 4,
  passthru: 8,
} as const;

/** IFLA_IPVLAN_MODE. */
export const IPVLAN_MODE = {
  l2: 0,
  l3: 1,
  l3s: 2,
} as const;

/** IFLA_IPVLAN_FLAGS. */
export const IPVLAN_FLAG = {
  bridge: 0,
  private: 1,
  vepa: 2,
} as const;

/** Attributes of an address, and flags of its header. */
export const IFA = {
  IFA_ADDRESS: 1,
  IFA_LOCAL: 2,
  IFA_BROADCAST: 4,
  IFA_F_NODAD: 2,
} as const;

/** Attributes of a route, and fields of struct rtmsg. */
export const RTA = {
  RTA_DST: 1,
  RTA_OIF: 4,
  RTA_GATEWAY: 5,
  RTA_PRIORITY: 6,
  RTA_PREFSRC: 7,
  RTA_TABLE: 15,
  RT_TABLE_MAIN: 254,
  RTPROT_BOOT: 3,
  RT_SCOPE_UNIVERSE: 0,
  RT_SCOPE_LINK: 253,
  RTN_UNICAST: 1,
  RTM_F_CLONED: 0x200,
} as const;

/** Attributes of a neighbour, and its states. */
export const NDA = {
  NDA_DST: 1,
  NDA_LLADDR: 2,
  NUD_STALE: 4,
} as const;
