/**
 * A container's own properties for its unit: annotations `org.systemd.property.NAME` with a value in GVariant's text.
 * @source runc's docs/systemd.md "Auxiliary properties"; GVariant Text Format
 */
import { type Value, Variant } from "../dbus/values.ts";
import { EngineError } from "../errors.ts";
import type { Property } from "./properties.ts";

const PREFIX = "org.systemd.property.";
const SECOND_US = 1_000_000;
const TYPES: Record<string, string> = {
  ...{ boolean: "b", byte: "y", int16: "n", uint16: "q", int32: "i", uint32: "u", int64: "x", uint64: "t" },
  ...{ double: "d", string: "s", objectpath: "o", signature: "g" },
};
const NUMBERS = "ynqiuxtd";
const TOKEN = /\s*(?:('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(@[a-z]+)|([-+]?[\w.+-]+)|([[\],]))/y;

/** @throws EngineError invalid */
export function annotatedProperties(annotations: Readonly<Record<string, string>> = {}): Property[] {
  return Object.entries(annotations).flatMap(([key, text]) => {
    if (!key.startsWith(PREFIX)) return [];
    const name = key.slice(PREFIX.length);
    if (!/^[A-Za-z]{3,}$/.test(name)) throw wrong(`annotation ${key} name incorrect`);
    try {
      return [inMicroseconds(name, parseVariant(text))];
    } catch (error) {
      throw wrong(`annotation ${key}=${text} value parse error: ${(error as Error).message}`);
    }
  });
}

const wrong = (message: string): EngineError => new EngineError("invalid", message);

/** What is documented as TimeoutStopSec is TimeoutStopUSec on the bus. */
function inMicroseconds(name: string, value: Variant): Property {
  if (!/[a-z]Sec$/.test(name)) return [name, value];
  if (!NUMBERS.includes(value.signature)) throw new Error("not a number");
  const microseconds = BigInt(Math.round(Number(value.value) * SECOND_US));
  return [name.replace(/Sec$/, "USec"), new Variant("t", microseconds)];
}

/** Booleans, numbers, texts, with or without the word for their type, and lists of those. */
export function parseVariant(text: string): Variant {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  const trimmed = text.trim();
  while (TOKEN.lastIndex < trimmed.length) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(trimmed);
    if (!found) throw new Error(`unexpected ${JSON.stringify(trimmed.slice(at))}`);
    tokens.push(found[0].trim());
  }
  const value = parseValue(tokens, undefined);
  if (tokens.length > 0) throw new Error(`unexpected ${JSON.stringify(tokens[0])}`);
  return value;
}

function parseValue(tokens: string[], known: string | undefined): Variant {
  const token = tokens.shift();
  if (token === undefined) throw new Error("unexpected end");
  if (token.startsWith("@")) return parseValue(tokens, token.slice(1));
  if (Object.hasOwn(TYPES, token)) return parseValue(tokens, TYPES[token]);
  if (token === "[") return parseList(tokens, known);
  const type = known ?? typeOf(token);
  return new Variant(type, scalar(type, token));
}

function parseList(tokens: string[], known: string | undefined): Variant {
  let type = known?.startsWith("a") ? known.slice(1) : undefined;
  const items: Value[] = [];
  while (tokens[0] !== "]") {
    const item = parseValue(tokens, type);
    type ??= item.signature;
    if (item.signature !== type) throw new Error("a list of different types");
    items.push(item.value);
    if (tokens[0] === ",") tokens.shift();
    else if (tokens[0] !== "]") throw new Error("a list without its end");
  }
  tokens.shift();
  if (type === undefined) throw new Error("an empty list without a type");
  return new Variant(`a${type}`, items);
}

function typeOf(token: string): string {
  if (/^['"]/.test(token)) return "s";
  if (token === "true" || token === "false") return "b";
  return /^[-+]?(\d+|0x[\da-f]+)$/i.test(token) ? "i" : "d";
}

function scalar(type: string, token: string): Value {
  if ("sog".includes(type)) {
    if (!/^['"]/.test(token)) throw new Error(`${JSON.stringify(token)} is no text`);
    return token.slice(1, -1).replace(/\\(.)/g, (_, c: string) => ({ n: "\n", t: "\t" })[c] ?? c);
  }
  if (type === "b") {
    if (token !== "true" && token !== "false") throw new Error(`${JSON.stringify(token)} is no boolean`);
    return token === "true";
  }
  const number = Number(token);
  if (!NUMBERS.includes(type) || Number.isNaN(number))
    throw new Error(`${JSON.stringify(token)} is no number`);
  return type === "x" || type === "t" ? BigInt(token) : number;
}
