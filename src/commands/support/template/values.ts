/**
 * What templates work on: JSON values, and records that stand for the structs of Docker's client. A record's fields
 * are fixed, so a wrong name is an error; a map's missing key is `<no value>`, or an error where that was asked for.
 */

/** Names the type in error messages. */
export const TYPE = Symbol("type");

export interface GoRecord {
  readonly [TYPE]: string;
}

export const isRecord = (value: unknown): value is GoRecord & Record<string, unknown> =>
  typeof value === "object" && value !== null && TYPE in value;

export const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(TYPE in value);

/** Nothing at all: what a missing key gives. */
export const MISSING = Symbol("missing");

/** A list that was never made: shown as an empty one, but null in JSON. */
export const NIL_LIST: readonly unknown[] = Object.freeze([]);

/** Go's `%v`. */
export function format(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (value === MISSING) return "<no value>";
  if (typeof value === "number") return number(value);
  if (Array.isArray(value)) return `[${value.map(format).join(" ")}]`;
  if (isMap(value)) {
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${format(value[key])}`)
      .join(" ")}]`;
  }
  if (isRecord(value)) {
    return `{${Object.keys(value)
      .map((key) => format(value[key]))
      .join(" ")}}`;
  }
  return String(value);
}

function number(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return BigInt(value).toString();
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

export function truth(value: unknown): boolean {
  if (value === null || value === undefined || value === MISSING) return false;
  if (typeof value === "string" || Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return value !== 0 && value !== false;
}

const HTML: Record<string, string> = { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" };

/** JSON as Go's encoder writes it for a record: names in order, without spaces, and safe to put into a page. */
export function toJson(value: unknown): string {
  if (value === MISSING || value === undefined || value === NIL_LIST) return "null";
  if (!isRecord(value)) return JSON.stringify(value);
  const names = Object.keys(value).filter((name) => typeof value[name] !== "function");
  const fields = names.sort().map((name) => `${JSON.stringify(name)}:${toJson(value[name])}`);
  return `{${fields.join(",")}}`.replace(/[<>&]/g, (c) => HTML[c] as string);
}
