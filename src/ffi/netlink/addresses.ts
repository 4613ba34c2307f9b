/** Addresses of links. @source rtnetlink(7), linux/if_addr.h */
import { asU32, attribute, attributeMap } from "./attributes.ts";
import { NLM_F } from "./flags.ts";
import { familyOf, lastOf, prefix, prefixText } from "./ip.ts";
import type { Message, Reply } from "./message.ts";
import { AF, IFA, RTM } from "./route-flags.ts";
import type { NetlinkSocket } from "./socket.ts";

const SIZE = 8;

function header(family: number, length: number, flags: number, index: number): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  bytes[0] = family;
  bytes[1] = length;
  bytes[2] = flags;
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

function message(type: number, flags: number, what: string, index: number, address: string): Message {
  const { bytes, length } = prefix(address);
  const family = familyOf(bytes);
  const four = family === AF.AF_INET;
  const body: Uint8Array[] = [
    header(family, length, four ? 0 : IFA.IFA_F_NODAD, index),
    attribute(IFA.IFA_LOCAL, bytes),
  ];
  if (four && length < 31) body.push(attribute(IFA.IFA_BROADCAST, lastOf({ bytes, length })));
  body.push(attribute(IFA.IFA_ADDRESS, bytes));
  return { type, flags: flags | NLM_F.NLM_F_ACK, body, what };
}

/** With its prefix length, `172.18.0.2/16`. EEXIST when it is there. An IPv6 one is usable at once: nobody else has it. */
export const addAddress = (index: number, address: string): Message =>
  message(RTM.RTM_NEWADDR, NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL, `add address ${address}`, index, address);

/** EADDRNOTAVAIL when it is not there. */
export const deleteAddress = (index: number, address: string): Message =>
  message(RTM.RTM_DELADDR, 0, `delete address ${address}`, index, address);

export interface Address {
  /** The link's index. */
  index: number;
  /** With its prefix length. */
  address: string;
}

/** Of a dump or a notification. */
export function readAddress({ body }: Reply): Address | undefined {
  const attributes = attributeMap(body.subarray(SIZE));
  // Of a point-to-point link the other end's address is IFA_ADDRESS; IPv6 has IFA_ADDRESS alone.
  const bytes = attributes.get(IFA.IFA_LOCAL) ?? attributes.get(IFA.IFA_ADDRESS);
  if (bytes === undefined) return undefined;
  return { index: asU32(body.subarray(4)), address: prefixText({ bytes, length: body[1]! }) };
}

/** Of one link, or of all; both families. */
export const listAddresses = (socket: NetlinkSocket, index = 0): Address[] =>
  socket
    .dump({ type: RTM.RTM_GETADDR, flags: 0, body: [header(0, 0, 0, index)], what: "list addresses" })
    .flatMap((reply) => readAddress(reply) ?? [])
    // A kernel that does not filter sends them all.
    .filter((address) => index === 0 || address.index === index);
