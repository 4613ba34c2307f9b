/** Messages of the domain name system, made and read by hand: what the code under test does not do is seen here. */

export interface Question {
  name: string;
  type: number;
  id?: number;
  /** Of the header: 0x0100 is "recursion desired". */
  flags?: number;
  /** A size for EDNS. */
  edns?: number;
}

export function labels(name: string): number[] {
  return [...name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]), 0];
}

export function question({ name, type, id = 0x1234, flags = 0x0100, edns }: Question): Uint8Array {
  const extra = edns === undefined ? [] : [0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0];
  const header = [id >> 8, id & 255, flags >> 8, flags & 255, 0, 1, 0, 0, 0, 0, 0, extra.length > 0 ? 1 : 0];
  return Uint8Array.from([...header, ...labels(name), type >> 8, type & 255, 0, 1, ...extra]);
}

export interface Message {
  id: number;
  rcode: number;
  truncated: boolean;
  question: string;
  /** Names as they are; addresses and other data in hexadecimal, PTR's data as its name. */
  answers: { name: string; type: number; ttl: number; data: string }[];
  edns: number | undefined;
}

export function readMessage(bytes: Uint8Array): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const name = (from: number): { text: string; end: number } => {
    const parts: string[] = [];
    let end = 0;
    for (let at = from; ; ) {
      const length = bytes[at]!;
      if (length >= 0xc0) {
        end ||= at + 2;
        at = view.getUint16(at) & 0x3fff;
      } else if (length === 0) return { text: parts.join("."), end: end || at + 1 };
      else {
        parts.push(Buffer.from(bytes.subarray(at + 1, at + 1 + length)).toString());
        at += 1 + length;
      }
    }
  };
  const message: Message = {
    id: view.getUint16(0),
    rcode: view.getUint16(2) & 15,
    truncated: (view.getUint16(2) & 0x200) !== 0,
    question: "",
    answers: [],
    edns: undefined,
  };
  let at = 12;
  if (view.getUint16(4) === 1) {
    const asked = name(at);
    message.question = asked.text;
    at = asked.end + 4;
  }
  for (let left = view.getUint16(6) + view.getUint16(8) + view.getUint16(10); left > 0; left--) {
    const owner = name(at);
    const [type, second, ttl] = [
      view.getUint16(owner.end),
      view.getUint16(owner.end + 2),
      view.getUint32(owner.end + 4),
    ];
    const start = owner.end + 10;
    const length = view.getUint16(owner.end + 8);
    at = start + length;
    const raw = Buffer.from(bytes.subarray(start, at)).toString("hex");
    if (type === 41) message.edns = second;
    else message.answers.push({ name: owner.text, type, ttl, data: type === 12 ? name(start).text : raw });
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes too many`);
  return message;
}
