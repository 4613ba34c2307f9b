/**
 * Links: what makes, changes and removes them, as messages that may be put together in one batch; and what is there.
 * @source rtnetlink(7), linux/if_link.h
 */
import {
  type Attribute,
  asText,
  asU8,
  asU32,
  attribute,
  attributeMap,
  concatenate,
  nested,
  text,
  u8,
  u16,
  u32,
} from "./attributes.ts";
import { NLM_F } from "./flags.ts";
import { macBytes, macText } from "./ip.ts";
import { type Message, NetlinkError, type Reply } from "./message.ts";
import {
  AF,
  BR_STATE_FORWARDING,
  IF_OPER_UP,
  IFF,
  IFLA,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_INFO,
  IFLA_KIND,
  IN6_ADDR_GEN_MODE_NONE,
  IPVLAN_FLAG,
  IPVLAN_MODE,
  MACVLAN_MODE,
  RTM,
} from "./route-flags.ts";
import type { NetlinkSocket } from "./socket.ts";

const INFO_SIZE = 16;

/** struct ifinfomsg. `up` absent: as it is. */
function info(index: number, up?: boolean): Uint8Array {
  const bytes = new Uint8Array(INFO_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  if (up !== undefined) {
    view.setUint32(8, up ? IFF.IFF_UP : 0, true);
    view.setUint32(12, IFF.IFF_UP, true);
  }
  return bytes;
}

export type LinkKind =
  | { kind: "bridge"; multicastSnooping?: boolean; stp?: boolean; forwardDelay?: number }
  | { kind: "dummy" }
  | { kind: "vlan"; id: number }
  | { kind: "macvlan"; mode: keyof typeof MACVLAN_MODE }
  | { kind: "ipvlan"; mode: keyof typeof IPVLAN_MODE; flag: keyof typeof IPVLAN_FLAG }
  | { kind: "veth"; peer: NewLink };

/** A link to be made; what is absent is the kernel's choice. */
export interface NewLink {
  /** At most 15 bytes. */
  name: string;
  mac?: string;
  mtu?: number;
  up?: boolean;
  /** The index of the link that it is on: of vlan, macvlan, ipvlan. */
  parent?: number;
  /** The index of the bridge that it is a port of. */
  master?: number;
  /** A free text that says whose it is. */
  alias?: string;
  /** Links that may be removed together. */
  group?: number;
  /** The namespace that it is made in: a descriptor. Absent: the socket's. */
  namespace?: number;
}

function attributesOf(link: NewLink): Attribute[] {
  const attributes = [text(IFLA.IFLA_IFNAME, link.name)];
  if (link.mac !== undefined) attributes.push(attribute(IFLA.IFLA_ADDRESS, macBytes(link.mac)));
  if (link.mtu !== undefined) attributes.push(u32(IFLA.IFLA_MTU, link.mtu));
  if (link.parent !== undefined) attributes.push(u32(IFLA.IFLA_LINK, link.parent));
  if (link.master !== undefined) attributes.push(u32(IFLA.IFLA_MASTER, link.master));
  if (link.alias !== undefined) attributes.push(text(IFLA.IFLA_IFALIAS, link.alias));
  if (link.group !== undefined) attributes.push(u32(IFLA.IFLA_GROUP, link.group));
  if (link.namespace !== undefined) attributes.push(u32(IFLA.IFLA_NET_NS_FD, link.namespace));
  return attributes;
}

function kindData(kind: LinkKind): Attribute[] {
  switch (kind.kind) {
    case "dummy":
      return [];
    case "bridge": {
      const data: Attribute[] = [];
      if (kind.forwardDelay !== undefined) data.push(u32(IFLA_KIND.IFLA_BR_FORWARD_DELAY, kind.forwardDelay));
      if (kind.stp !== undefined) data.push(u32(IFLA_KIND.IFLA_BR_STP_STATE, Number(kind.stp)));
      if (kind.multicastSnooping !== undefined)
        data.push(u8(IFLA_KIND.IFLA_BR_MCAST_SNOOPING, Number(kind.multicastSnooping)));
      return data;
    }
    case "vlan":
      return [u16(IFLA_KIND.IFLA_VLAN_ID, kind.id)];
    case "macvlan":
      return [u32(IFLA_KIND.IFLA_MACVLAN_MODE, MACVLAN_MODE[kind.mode])];
    case "ipvlan":
      return [
        u16(IFLA_KIND.IFLA_IPVLAN_MODE, IPVLAN_MODE[kind.mode]),
        u16(IFLA_KIND.IFLA_IPVLAN_FLAGS, IPVLAN_FLAG[kind.flag]),
      ];
    case "veth": {
      const { peer } = kind;
      const body = concatenate([info(0, peer.up), ...attributesOf(peer)]);
      return [attribute(IFLA_KIND.VETH_INFO_PEER, body)];
    }
  }
}

/** EEXIST when there is one of that name; EOPNOTSUPP when the kernel has no such kind. */
export function newLink(link: NewLink, kind: LinkKind): Message {
  const linkInfo = [attribute(IFLA_INFO.IFLA_INFO_KIND, new TextEncoder().encode(kind.kind))];
  const data = kindData(kind);
  if (data.length > 0) linkInfo.push(nested(IFLA_INFO.IFLA_INFO_DATA, ...data));
  return {
    type: RTM.RTM_NEWLINK,
    flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL | NLM_F.NLM_F_ACK,
    body: [info(0, link.up), ...attributesOf(link), nested(IFLA.IFLA_LINKINFO, ...linkInfo)],
    what: `create ${kind.kind} ${link.name}`,
  };
}

export interface LinkChange {
  up?: boolean;
  name?: string;
  mac?: string;
  mtu?: number;
  alias?: string;
  group?: number;
  /** 0: of none any more. */
  master?: number;
  namespace?: number;
  /** A bridge's port sends frames back out of where they came from. */
  hairpin?: boolean;
  /** Gives itself no IPv6 address of the link when it comes up. EAFNOSUPPORT without IPv6. */
  noLinkLocal?: true;
}

/** `link`: its index, or its name. */
export function changeLink(link: number | string, change: LinkChange): Message {
  const { up, hairpin, noLinkLocal, ...rest } = change;
  const byName = typeof link === "string";
  const attributes = attributesOf({ ...rest, name: rest.name ?? (byName ? link : "") });
  if (!byName && rest.name === undefined) attributes.shift();
  if (hairpin !== undefined) {
    const data = nested(IFLA_INFO.IFLA_INFO_SLAVE_DATA, u8(IFLA_KIND.IFLA_BRPORT_MODE, Number(hairpin)));
    attributes.push(nested(IFLA.IFLA_LINKINFO, text(IFLA_INFO.IFLA_INFO_SLAVE_KIND, "bridge"), data));
  }
  if (noLinkLocal) {
    const mode = nested(AF.AF_INET6, u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE));
    attributes.push(nested(IFLA.IFLA_AF_SPEC, mode));
  }
  return {
    type: RTM.RTM_NEWLINK,
    flags: NLM_F.NLM_F_ACK,
    body: [info(byName ? 0 : link, up), ...attributes],
    what: `change link ${link}`,
  };
}

/** ENODEV when there is none. A veth goes with its peer. */
export const deleteLink = (link: number | string): Message => ({
  type: RTM.RTM_DELLINK,
  flags: NLM_F.NLM_F_ACK,
  body: typeof link === "string" ? [info(0), text(IFLA.IFLA_IFNAME, link)] : [info(link)],
  what: `delete link ${link}`,
});

/** All links of the group. ENODEV when there is none. */
export const deleteGroup = (group: number): Message => ({
  type: RTM.RTM_DELLINK,
  flags: NLM_F.NLM_F_ACK,
  body: [info(0), u32(IFLA.IFLA_GROUP, group)],
  what: `delete the links of group ${group}`,
});

export interface Link {
  index: number;
  name: string;
  up: boolean;
  /** Of a loopback or a link without hardware: zeros or empty. */
  mac: string;
  mtu: number;
  /** The index of the link below, or of the other end; 0 for none. */
  parent: number;
  /** The index of its bridge; 0 for none. */
  master: number;
  /** `bridge`, `veth`, …; empty for hardware and loopback. */
  kind: string;
  alias: string;
  /** Up, and what it is connected to is up too. */
  operational: boolean;
  /** Is a bridge's port that forwards. */
  forwarding: boolean;
}

const NOTHING = new Uint8Array(0);
const READ = [
  IFLA.IFLA_ADDRESS,
  IFLA.IFLA_IFNAME,
  IFLA.IFLA_MTU,
  IFLA.IFLA_LINK,
  IFLA.IFLA_MASTER,
  IFLA.IFLA_OPERSTATE,
  IFLA.IFLA_LINKINFO,
  IFLA.IFLA_IFALIAS,
];

export function readLink({ body }: Reply): Link {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const attributes = attributeMap(body.subarray(INFO_SIZE), READ);
  const linkInfo = attributeMap(attributes.get(IFLA.IFLA_LINKINFO) ?? NOTHING);
  const port = attributeMap(linkInfo.get(IFLA_INFO.IFLA_INFO_SLAVE_DATA) ?? NOTHING);
  return {
    index: view.getInt32(4, true),
    name: asText(attributes.get(IFLA.IFLA_IFNAME)),
    up: (view.getUint32(8, true) & IFF.IFF_UP) !== 0,
    mac: macText(attributes.get(IFLA.IFLA_ADDRESS) ?? NOTHING),
    mtu: asU32(attributes.get(IFLA.IFLA_MTU)),
    parent: asU32(attributes.get(IFLA.IFLA_LINK)),
    master: asU32(attributes.get(IFLA.IFLA_MASTER)),
    kind: asText(linkInfo.get(IFLA_INFO.IFLA_INFO_KIND)),
    alias: asText(attributes.get(IFLA.IFLA_IFALIAS)),
    operational: asU8(attributes.get(IFLA.IFLA_OPERSTATE)) === IF_OPER_UP,
    forwarding: asU8(port.get(IFLA_KIND.IFLA_BRPORT_STATE)) === BR_STATE_FORWARDING,
  };
}

/** Leaves out the statistics, which are most of an answer. */
const RTEXT_FILTER_SKIP_STATS = 8;

/** IFNAMSIZ, less the zero at the end; in bytes. What is longer can only be another name of a link: udev gives such. */
export const MAX_LINK_NAME = 15;

const nameOf = (name: string): Attribute =>
  text(Buffer.byteLength(name) > MAX_LINK_NAME ? IFLA.IFLA_ALT_IFNAME : IFLA.IFLA_IFNAME, name);

const getLink = (name: string): Message => ({
  type: RTM.RTM_GETLINK,
  flags: 0,
  body: [info(0), nameOf(name), u32(IFLA.IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)],
  what: `look up link ${name}`,
});

/** Undefined when there is none of that name. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const [reply] = socket.request(getLink(name));
    return readLink(reply!);
  } catch (error) {
    // ERANGE: it is longer than any can be.
    if (error instanceof NetlinkError && (error.code === "ENODEV" || error.code === "ERANGE"))
      return undefined;
    throw error;
  }
}

export const listLinks = (socket: NetlinkSocket): Link[] =>
  socket
    .dump({
      type: RTM.RTM_GETLINK,
      flags: 0,
      body: [info(0), u32(IFLA.IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)],
      what: "list links",
    })
    .map(readLink);
