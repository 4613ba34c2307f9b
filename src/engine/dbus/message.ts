/** D-Bus messages: a fixed header, fields, a body. @source D-Bus specification, "Message Format" */
import { MAX_MESSAGE, Reader, types, type Value, Variant, Writer } from "./values.ts";

export const TYPE = { call: 1, reply: 2, error: 3, signal: 4 } as const;
const LITTLE = 0x6c;
const VERSION = 1;
const FIXED = 16;
/** Header fields, with the types of their values. */
const FIELD = {
  path: [1, "o"],
  interface: [2, "s"],
  member: [3, "s"],
  error: [4, "s"],
  replyTo: [5, "u"],
  destination: [6, "s"],
  sender: [7, "s"],
  signature: [8, "g"],
} as const;

export interface Message {
  type: number;
  serial: number;
  path?: string;
  interface?: string;
  member?: string;
  error?: string;
  /** The serial of what this answers. */
  replyTo?: number;
  destination?: string;
  sender?: string;
  signature?: string;
  body: Value[];
}

export function encodeMessage({ type, serial, body, ...fields }: Message): Uint8Array {
  const inside = new Writer();
  for (const [n, one] of [...types(fields.signature ?? "")].entries()) inside.write(one, body[n]!);
  const list = Object.entries(FIELD).flatMap(([name, [code, signature]]) => {
    const value = fields[name as keyof typeof fields];
    return value === undefined ? [] : [[code, new Variant(signature, value)]];
  });
  const writer = new Writer();
  for (const byte of [LITTLE, type, 0, VERSION]) writer.write("y", byte);
  writer.write("u", inside.bytes.length);
  writer.write("u", serial);
  writer.write("a(yv)", list);
  writer.align(8);
  return new Uint8Array([...writer.bytes, ...inside.bytes]);
}

/** The first message of `bytes` and how long it is; undefined when it is not all there. @throws Error for what is none */
export function decodeMessage(bytes: Uint8Array): { message: Message; length: number } | undefined {
  if (bytes.length < FIXED) return undefined;
  if (bytes[0] !== LITTLE) throw new Error("a D-Bus message that is not little-endian");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyAt = Math.ceil((FIXED + view.getUint32(12, true)) / 8) * 8;
  const length = bodyAt + view.getUint32(4, true);
  if (length > MAX_MESSAGE) throw new Error("a D-Bus message that is too long");
  if (bytes.length < length) return undefined;
  const whole = bytes.subarray(0, length);
  const message: Message = { type: bytes[1]!, serial: view.getUint32(8, true), body: [] };
  const fields = new Reader(whole, FIXED - 4).read("a(yv)") as [number, Value][];
  for (const [code, value] of fields) {
    const name = Object.entries(FIELD).find(([, [number]]) => number === code)?.[0];
    if (name !== undefined) Object.assign(message, { [name]: value });
  }
  const reader = new Reader(whole, bodyAt);
  for (const type of types(message.signature ?? "")) message.body.push(reader.read(type));
  return { message, length };
}
