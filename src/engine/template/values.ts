/**
 * What templates work on: JSON values, and records that stand for the structs of Docker's client. A record's fields
 * are fixed, so a wrong name is an error; a map's missing key is `<no value>`, or an error where that was asked for.
 */

/** Names the type in error messages. */
export const TYPE = Symbol("type");
/** On a record that is held by a pointer: inside another value only its address would show. */
export const POINTER = Symbol("pointer");
/** On a record whose type says itself how it is printed. */
export const TEXT = Symbol("text");
/** On a record that has its own JSON. */
export const AS_JSON = Symbol("json");
/** On a record: its fields that are pointers to plain values. */
export const POINTERS = Symbol("pointers");
/** On a record: what Go calls the type of a field. */
export const FIELD_TYPES = Symbol("field types");

/** On a list or map whose type is known. */
export const GO_TYPE = Symbol("go type");

export interface GoRecord {
  readonly [TYPE]: string;
  readonly [POINTER]?: boolean;
  readonly [TEXT]?: string;
  readonly [POINTERS]?: ReadonlySet<string>;
  readonly [FIELD_TYPES]?: (name: string) => string | undefined;
  readonly [AS_JSON]?: () => string;
}

export const isRecord = (value: unknown): value is GoRecord & Record<string, unknown> =>
  typeof value === "object" && value !== null && TYPE in value;

export const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(TYPE in value) &&
  !(value instanceof Float);

/** A float without a fraction: of any other, the number itself shows what it is. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** Nothing at all: what a missing key gives. */
export const MISSING = Symbol("missing");

const nils = new WeakSet<object>();

/** A list or map that was never made: shown as an empty one, but null in JSON. */
export function nil<T extends object>(empty: T): T {
  nils.add(empty);
  return Object.freeze(empty);
}

export const isNil = (value: unknown): boolean =>
  typeof value === "object" && value !== null && nils.has(value);

/** Go prints where a pointer points to; nothing can depend on the number. */
export const ADDRESS = "0xc000000000";

/** Go's `%v`. */
export function format(value: unknown, inside = false): string {
  if (value === null || value === undefined) return "<nil>";
  if (value === MISSING) return "<no value>";
  if (typeof value === "number") return number(value);
  if (value instanceof Float) return floatText(value.value);
  if (Array.isArray(value)) return `[${value.map((item) => format(item, true)).join(" ")}]`;
  if (isMap(value)) {
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${format(value[key], true)}`)
      .join(" ")}]`;
  }
  if (isRecord(value)) return record(value, inside);
  return String(value);
}

function record(value: GoRecord & Record<string, unknown>, inside: boolean): string {
  if (value[TEXT] !== undefined) return value[TEXT];
  if (inside && value[POINTER]) return ADDRESS;
  const pointers = value[POINTERS];
  const fields = Object.keys(value).filter((key) => typeof value[key] !== "function");
  return `{${fields
    .map((key) => (pointers?.has(key) && value[key] !== null ? ADDRESS : format(value[key], true)))
    .join(" ")}}`;
}

function number(value: number): string {
  return Number.isInteger(value) ? BigInt(value).toString() : floatText(value);
}

/** Go's `%g`; without a precision, as many digits as tell it from its neighbours. */
export function floatText(value: number, precision?: number): string {
  const exponent = Number(value.toExponential().split("e")[1]);
  const digits = precision === undefined ? value : Number(value.toPrecision(Math.max(1, precision)));
  const plain = exponent >= -4 && exponent < ((precision ?? 6) || 1);
  if (plain) return Object.is(digits, -0) ? "-0" : String(digits);
  return digits.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

export function truth(value: unknown): boolean {
  if (value === null || value === undefined || value === MISSING) return false;
  if (typeof value === "string" || Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return value instanceof Float ? value.value !== 0 : value !== 0 && value !== false;
}

const HTML: Record<string, string> = { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" };

/** JSON as Go's encoder writes it: maps in the order of their keys; records safe to put into a page. */
export function toJson(value: unknown): string {
  if (value === MISSING || value === undefined || isNil(value)) return "null";
  if (value instanceof Float) return JSON.stringify(value.value);
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (!isRecord(value)) {
    const entries = Object.entries(value).toSorted((a, b) => (a[0] < b[0] ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${toJson(item)}`).join(",")}}`;
  }
  if (value[AS_JSON]) return value[AS_JSON]();
  const names = Object.keys(value).filter((name) => typeof value[name] !== "function");
  const fields = names.sort().map((name) => `${JSON.stringify(name)}:${toJson(value[name])}`);
  return `{${fields.join(",")}}`.replace(/[<>&]/g, (c) => HTML[c] as string);
}
