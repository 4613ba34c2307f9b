/**
 * Netlink messages: a header of 16 bytes, the family's own fixed header, attributes. Several may travel in one datagram.
 * @source netlink(7), linux/netlink.h
 */
import { errnoMessage } from "../errno.ts";
import { SystemError } from "../libc.ts";
import { asText, asU32, attributeMap, concatenate } from "./attributes.ts";
import { NLM_F, NLMSGERR_ATTR } from "./flags.ts";

const HEADER = 16;
const align = (length: number): number => (length + 3) & ~3;

export interface Message {
  type: number;
  /** NLM_F_REQUEST is understood. */
  flags: number;
  /** The family's header and the attributes, each part a multiple of four bytes. */
  body: readonly Uint8Array[];
  /** For errors: what this message does, `create bridge br0`. */
  what: string;
}

/** What the kernel sent. */
export interface Reply {
  type: number;
  flags: number;
  sequence: number;
  /** Of an answer and of a notification, the socket that asked for it or made the change; 0: the kernel itself. */
  port: number;
  /** Without the header. */
  body: Uint8Array;
}

/** The kernel refused a message. */
export class NetlinkError extends SystemError {
  /** The kernel's own words, where it has some: `Invalid bridge port`. */
  readonly reason: string;
  /** Offset in the message of the attribute that it complains of; 0 when it does not say. */
  readonly offset: number;

  constructor(what: string, errno: number, reason = "", offset = 0) {
    super(what, errno);
    this.reason = reason;
    this.offset = offset;
    if (reason !== "") this.message = `${what}: ${errnoMessage(errno)} (${reason})`;
  }
}

/** All in one datagram, numbered from `sequence` on. */
export function encodeMessages(messages: readonly Message[], sequence: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [n, { type, flags, body }] of messages.entries()) {
    const header = new Uint8Array(HEADER);
    const view = new DataView(header.buffer);
    let length = HEADER;
    for (const part of body) length += part.length;
    view.setUint32(0, length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags | NLM_F.NLM_F_REQUEST, true);
    view.setUint32(8, (sequence + n) >>> 0, true);
    parts.push(header, ...body);
  }
  return concatenate(parts);
}

/** The messages of one datagram. Ends at the first that makes no sense. */
export function* decodeMessages(bytes: Uint8Array): Generator<Reply> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) return;
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      port: view.getUint32(at + 12, true),
      body: bytes.subarray(at + HEADER, at + length),
    };
    at += align(length);
  }
}

/**
 * The errno of an acknowledgement (NLMSG_ERROR, or the NLMSG_DONE of a dump), positive, 0 for success; and the extended
 * part, of a socket with NETLINK_EXT_ACK and NETLINK_CAP_ACK.
 */
export function decodeAcknowledgement(reply: Reply): { errno: number; reason: string; offset: number } {
  const errno = reply.body.length < 4 ? 0 : -(asU32(reply.body) | 0);
  if ((reply.flags & NLM_F.NLM_F_ACK_TLVS) === 0) return { errno, reason: "", offset: 0 };
  // struct nlmsgerr: the error, then the header of the message that it is about; a dump's end has the error alone, and
  // without NETLINK_CAP_ACK a failed message comes back whole.
  let at = 4;
  if (reply.type === 2) {
    const whole = (reply.flags & NLM_F.NLM_F_CAPPED) === 0 && errno !== 0;
    at += whole ? align(asU32(reply.body.subarray(4))) : HEADER;
  }
  const attributes = attributeMap(reply.body.subarray(at));
  return {
    errno,
    reason: asText(attributes.get(NLMSGERR_ATTR.NLMSGERR_ATTR_MSG)),
    offset: asU32(attributes.get(NLMSGERR_ATTR.NLMSGERR_ATTR_OFFS)),
  };
}
