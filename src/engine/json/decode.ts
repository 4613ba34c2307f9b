/**
 * Decodes a document by a schema as Go's encoding/json would: names of fields match without regard to case,
 * unknown ones are dropped, `null` leaves a field alone and is an empty item of a list or map, and the first wrong
 * type ends it in Go's words.
 */
import { EngineError } from "../errors.ts";
import { Lapse } from "../lapse.ts";
import type { Schema } from "./schema.ts";
import { scanValue } from "./syntax.ts";

/** A field of a Go struct; its words are put together when there is something wrong with it. */
interface Place {
  readonly struct: Schema;
  readonly name: string;
  readonly above: Place | undefined;
}

/** A request's body. @throws EngineError invalid `invalid JSON: …` */
export function decodeJson<T>(body: string, schema: Schema): T {
  const value = parse(body);
  try {
    return decodeParsed<T>(value, schema);
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

/** Texts of documents that come again and again, and what was decoded of each, as JSON. */
export class DecodedJson {
  readonly #schema: Schema;
  readonly #known = new Map<string, string>();
  readonly #lapse: Lapse;

  /** `unusedMs`: how long they are kept without use. */
  constructor(schema: Schema, unusedMs?: number) {
    this.#schema = schema;
    this.#lapse = new Lapse(() => this.#known.clear(), unusedMs);
  }

  get size(): number {
    return this.#known.size;
  }

  /** As {@link decodeJson}; the result is the caller's own. */
  decode<T>(body: string): T {
    this.#lapse.used();
    const known = this.#known.get(body);
    if (known !== undefined) return JSON.parse(known) as T;
    const decoded = decodeJson<T>(body, this.#schema);
    if (body.length > KNOWN_LENGTH) return decoded;
    if (this.#known.size >= KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(body, JSON.stringify(decoded));
    return decoded;
  }
}

const KNOWN_MAX = 32;
const KNOWN_LENGTH = 16 * 1024;

/** What `JSON.parse` made of a document. @throws EngineError invalid `json: cannot unmarshal …` */
export const decodeParsed = <T>(value: unknown, schema: Schema): T =>
  decodeValue(value, schema, undefined) as T;

/** @throws EngineError invalid `invalid JSON: EOF`, `invalid JSON: unexpected EOF`, … */
function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    const found = scanValue(body);
    if (!found.ok) throw invalid(found.message);
    throw new EngineError("invalid", "unexpected content after JSON");
  }
}

const invalid = (message: string) => new EngineError("invalid", `invalid JSON: ${message}`);

function decodeValue(value: unknown, schema: Schema, place: Place | undefined): unknown {
  if (value === null || schema.kind === "any") return value;
  switch (schema.kind) {
    case "string":
      if (typeof value !== "string") throw mismatch(value, schema, place);
      if (schema.check) refuse(schema.check(value));
      return value;
    case "bool":
      if (typeof value !== "boolean") throw mismatch(value, schema, place);
      return value;
    case "float":
      if (typeof value !== "number") throw mismatch(value, schema, place);
      return value;
    case "int":
      if (typeof value !== "number") throw mismatch(value, schema, place);
      if (!Number.isInteger(value) || value < schema.min! || value > schema.max!)
        throw mismatch(value, schema, place, ` ${value}`);
      return value;
    case "list":
      if (!Array.isArray(value)) throw mismatch(value, schema, place);
      return value.slice(0, schema.length).map((item) => decodeItem(item, schema, place));
    case "map":
      if (!isObject(value)) throw mismatch(value, schema, place);
      return decodeMap(value, schema, place);
    case "struct":
      if (!isObject(value)) throw mismatch(value, schema, place);
      return decodeStruct(value, schema, place);
  }
}

/** Go sets what has no value to its type's zero; only a pointer can be without one. */
function decodeItem(item: unknown, { type, of }: Schema, place: Place | undefined): unknown {
  const pointer = type.endsWith(`]*${of!.type}`);
  return item === null && !pointer ? zeroOf(of!) : decodeValue(item, of!, place);
}

function zeroOf(schema: Schema): unknown {
  switch (schema.kind) {
    case "string":
      return "";
    case "bool":
      return false;
    case "int":
    case "float":
      return 0;
    case "struct":
      return {};
    default:
      return null;
  }
}

function decodeMap(value: object, schema: Schema, place: Place | undefined): Record<string, unknown> {
  // Without a prototype of its own a key `__proto__` is a key like any other.
  const decoded: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) {
    if (schema.checkKey) refuse(schema.checkKey(key));
    decoded[key] = decodeItem(item, schema, place);
  }
  return { ...decoded };
}

function decodeStruct(value: object, schema: Schema, place: Place | undefined): Record<string, unknown> {
  const decoded: Record<string, unknown> = {};
  const fields = schema.fields!;
  for (const [key, item] of Object.entries(value)) {
    const name = Object.hasOwn(fields, key)
      ? key
      : Object.keys(fields).find((field) => field.toLowerCase() === key.toLowerCase());
    if (name === undefined || item === null) continue;
    decoded[name] = decodeValue(item, fields[name]!.schema, { struct: schema, name, above: place });
  }
  return decoded;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mismatch(value: unknown, schema: Schema, place: Place | undefined, detail = ""): EngineError {
  const what = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  const where = place ? `Go struct field ${wordsOf(place)} of type` : "Go value of type";
  return new EngineError("invalid", `json: cannot unmarshal ${what}${detail} into ${where} ${schema.type}`);
}

/** The innermost struct's name, and the fields from the body to here. */
function wordsOf(place: Place): string {
  const path: string[] = [];
  for (let at: Place | undefined = place; at !== undefined; at = at.above) {
    const { within } = at.struct.fields![at.name]!;
    path.unshift(...(within ? [within] : []), at.name);
  }
  const { type } = place.struct;
  return [type.slice(type.lastIndexOf(".") + 1), ...path].join(".");
}

function refuse(message: string | undefined): void {
  if (message !== undefined) throw new EngineError("invalid", message);
}
