/**
 * Decodes a document by a schema as Go's encoding/json would: names of fields match without regard to case,
 * unknown ones are dropped, `null` leaves a field alone and is an empty item of a list or map, and the first wrong
 * type ends it in Go's words.
 */
import { EngineError } from "../errors.ts";
import type { Schema } from "./schema.ts";
import { scanValue } from "./syntax.ts";

interface Place {
  /** The name of the innermost Go struct, and the path of fields from the body to here. */
  struct: string;
  path: string[];
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
  const struct = schema.type.slice(schema.type.lastIndexOf(".") + 1);
  for (const [key, item] of Object.entries(value)) {
    const name = Object.hasOwn(fields, key)
      ? key
      : Object.keys(fields).find((field) => field.toLowerCase() === key.toLowerCase());
    if (name === undefined || item === null) continue;
    const field = fields[name]!;
    const path = [...(place?.path ?? []), ...(field.within ? [field.within] : []), name];
    decoded[name] = decodeValue(item, field.schema, { struct, path });
  }
  return decoded;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mismatch(value: unknown, schema: Schema, place: Place | undefined, detail = ""): EngineError {
  const what = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  const where = place
    ? `Go struct field ${place.struct}.${place.path.join(".")} of type`
    : "Go value of type";
  return new EngineError("invalid", `json: cannot unmarshal ${what}${detail} into ${where} ${schema.type}`);
}

function refuse(message: string | undefined): void {
  if (message !== undefined) throw new EngineError("invalid", message);
}
