/**
 * Messages of the domain name system, as far as a server of few names and a forwarder of all others need them. What
 * arrives is hostile: every offset is checked, and compression pointers are never followed.
 * @source RFC 1035 section 4, RFC 6891 (EDNS), RFC 2181
 */

export const TYPE = { A: 1, PTR: 12, MX: 15, AAAA: 28, SRV: 33, OPT: 41 } as const;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NOTIMP: 4, REFUSED: 5 } as const;
export const CLASS_IN = 1;

const HEADER = 12;
/** Over UDP, when the asker does not say how much it takes. */
export const MIN_UDP = 512;
export const MAX_MESSAGE = 65_535;
/** What we say that we take: no answer of ours needs fragments. */
const OUR_UDP = 1232;
/** Docker's, in seconds. */
const TTL = 600;
const MAX_NAME = 255;

/** Of the header's second word. */
const QR = 0x8000;
const OPCODE = 0x7800;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const CD = 0x0010;

export interface Query {
  id: number;
  /** In lower case, without its final dot. A dot or a backslash inside of a label has a backslash before it. */
  name: string;
  type: number;
  class: number;
  /** Where the question ends. */
  end: number;
  /** How long a message the asker takes over UDP, when it speaks EDNS. */
  udpSize?: number;
}

/** What a query is that cannot be answered: a code to answer with, or nothing where an answer would be one to an answer. */
export type Rejected = { rcode: number } | "ignore";

/** Never throws. */
export function parseQuery(packet: Uint8Array): Query | Rejected {
  if (packet.length < HEADER) return "ignore";
  const word = (at: number): number => (packet[at]! << 8) | packet[at + 1]!;
  const flags = word(2);
  if (flags & QR) return "ignore";
  if (flags & OPCODE) return { rcode: RCODE.NOTIMP };
  const [questions, answers, authorities, additions] = [word(4), word(6), word(8), word(10)];
  if (questions !== 1 || answers > 1 || authorities > 1 || additions > 2) return { rcode: RCODE.FORMERR };
  const name = readName(packet);
  if (name === undefined || name.end + 4 > packet.length) return { rcode: RCODE.FORMERR };
  const end = name.end + 4;
  const query: Query = { id: word(0), name: name.text, type: word(name.end), class: word(name.end + 2), end };
  let at = end;
  for (let left = answers + authorities + additions; left > 0; left--) {
    const record = skipName(packet, at);
    if (record === undefined || record + 10 > packet.length) return { rcode: RCODE.FORMERR };
    const next = record + 10 + word(record + 8);
    if (next > packet.length) return { rcode: RCODE.FORMERR };
    if (word(record) === TYPE.OPT && record === at + 1) query.udpSize = Math.max(word(record + 2), MIN_UDP);
    at = next;
  }
  return query;
}

/** Of the question, which has nothing before it that a pointer could mean. */
function readName(packet: Uint8Array): { text: string; end: number } | undefined {
  let text = "";
  let at = HEADER;
  for (;;) {
    const length = packet[at++];
    if (length === undefined || length > 63) return undefined;
    if (length === 0) return { text, end: at };
    if (at + length > packet.length || at + length - HEADER >= MAX_NAME) return undefined;
    if (text !== "") text += ".";
    for (const stop = at + length; at < stop; at++) {
      const byte = packet[at]!;
      if (byte === 0x2e || byte === 0x5c) text += "\\";
      text += String.fromCharCode(byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);
    }
  }
}

/** Where the record goes on after its name; a pointer ends a name. */
function skipName(packet: Uint8Array, from: number): number | undefined {
  for (let at = from; at < packet.length; ) {
    const length = packet[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/** A name in its labels. Undefined for one that has no such form. */
export function encodeName(name: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const label of name.split(".")) {
    const text = Buffer.from(label, "utf8");
    if (text.length === 0 || text.length > 63) return undefined;
    bytes.push(text.length, ...text);
  }
  return bytes.length < MAX_NAME ? Uint8Array.from([...bytes, 0]) : undefined;
}

export interface Answers {
  type: number;
  /** Each one's data; its name is the question's. */
  data: readonly Uint8Array[];
}

/**
 * A reply to a query that `parseQuery` took. When it is longer than `limit`, it has as many answers as fit, and says
 * that there are more.
 */
export function reply(packet: Uint8Array, query: Query, { type, data }: Answers, limit: number): Uint8Array {
  const extra = query.udpSize === undefined ? 0 : 11;
  let size = query.end + extra;
  let count = 0;
  for (const each of data) {
    if (size + 12 + each.length > limit) break;
    size += 12 + each.length;
    count++;
  }
  const bytes = start(packet, query.end, size, RCODE.NOERROR | (count < data.length ? TC : 0));
  bytes[6] = count >> 8;
  bytes[7] = count & 0xff;
  let at = query.end;
  for (let n = 0; n < count; n++) {
    const each = data[n]!;
    // The name is a pointer to the question's.
    bytes.set([0xc0, HEADER, type >> 8, type & 0xff, 0, CLASS_IN, 0, 0, TTL >> 8, TTL & 0xff], at);
    bytes[at + 10] = each.length >> 8;
    bytes[at + 11] = each.length & 0xff;
    bytes.set(each, at + 12);
    at += 12 + each.length;
  }
  if (extra > 0) addEdns(bytes, at);
  return bytes;
}

/** A reply without answers to any packet that has a header; with its question if `query` says that it has one. */
export function replyCode(packet: Uint8Array, rcode: number, query?: Query): Uint8Array {
  const end = query?.end ?? HEADER;
  const edns = query?.udpSize !== undefined;
  const bytes = start(packet, end, end + (edns ? 11 : 0), rcode);
  if (query === undefined) bytes[5] = 0;
  if (edns) addEdns(bytes, end);
  return bytes;
}

/** The header and the question, letters as they came: some askers vary them to tell forged answers. */
function start(packet: Uint8Array, end: number, size: number, low: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(packet.subarray(0, end));
  const asked = (packet[2]! << 8) | packet[3]!;
  const flags = QR | (asked & (OPCODE | RD | CD)) | RA | low;
  bytes[2] = flags >> 8;
  bytes[3] = flags & 0xff;
  bytes[4] = 0;
  bytes[5] = 1;
  bytes.fill(0, 6, HEADER);
  return bytes;
}

function addEdns(bytes: Uint8Array, at: number): void {
  bytes.set([0, 0, TYPE.OPT, OUR_UDP >> 8, OUR_UDP & 0xff, 0, 0, 0, 0, 0, 0], at);
  bytes[11] = 1;
}

/** The code of a message that has a header. */
export const rcodeOf = (message: Uint8Array): number => message[3]! & 15;

/**
 * Whether a packet is the answer to what was forwarded, and not somebody's who guesses: the number and the question
 * must be ours. Servers that do not understand a query may leave its question out.
 */
export function isAnswerTo(packet: Uint8Array, forwarded: Uint8Array, questionEnd: number): boolean {
  if (packet.length < HEADER || packet[0] !== forwarded[0] || packet[1] !== forwarded[1]) return false;
  if ((packet[2]! & 0xf8) !== 0x80) return false;
  const questions = (packet[4]! << 8) | packet[5]!;
  if (questions === 0) return rcodeOf(packet) !== RCODE.NOERROR && packet.length === HEADER;
  if (questions !== 1 || packet.length < questionEnd) return false;
  for (let at = HEADER; at < questionEnd; at++) {
    if (lower(packet[at]!) !== lower(forwarded[at]!)) return false;
  }
  return true;
}

/** The lengths of labels are below the letters. */
const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

/** An answer that was for one asker, for another with the same question: with that one's number and letters. */
export function readdress(answer: Uint8Array, packet: Uint8Array, questionEnd: number): Uint8Array {
  // A Buffer's own `slice` would not copy.
  const bytes = new Uint8Array(answer);
  bytes.set(packet.subarray(0, 2));
  if (((bytes[4]! << 8) | bytes[5]!) === 1) bytes.set(packet.subarray(HEADER, questionEnd), HEADER);
  return bytes;
}
