/** The functions that templates may call: Go's own and those that Docker adds, client and daemon alike. */

import { printf, typeName } from "./printf.ts";
import { Float, format, isMap, MISSING, toJson, truth } from "./values.ts";

type Param = "string" | "int" | "[]string";

interface Callable {
  /** Fewest and most arguments. */
  readonly arity: readonly [number, number];
  /** Types of the first ones, where they have any. */
  readonly params: readonly Param[];
  readonly call: (...args: unknown[]) => unknown;
}

const MANY = Number.POSITIVE_INFINITY;
const fn = (min: number, max: number, call: (...args: never[]) => unknown, ...params: Param[]): Callable => ({
  arity: [min, max],
  params,
  call: call as (...args: unknown[]) => unknown,
});

const absent = (value: unknown): boolean => value === null || value === undefined || value === MISSING;

function kind(value: unknown): string {
  return typeof value === "number" || value instanceof Float ? typeName(value) : typeof value;
}

const plain = (value: unknown): unknown => (value instanceof Float ? value.value : value);

function equal(a: unknown, b: unknown): boolean {
  if (absent(a) || absent(b)) return absent(a) && absent(b);
  const [first, second] = [plain(a), plain(b)];
  if (typeof first === "object" || typeof second === "object")
    throw new Error("non-comparable type for comparison");
  if (kind(a) !== kind(b)) throw new Error("incompatible types for comparison");
  return first === second;
}

function less(a: unknown, b: unknown): boolean {
  const [first, second] = [plain(a), plain(b)];
  if ([first, second].some((value) => absent(value) || typeof value === "object"))
    throw new Error("invalid type for comparison");
  if (kind(a) !== kind(b)) throw new Error("incompatible types for comparison");
  if (typeof first !== "string" && typeof first !== "number") throw new Error("invalid type for comparison");
  return first < (second as typeof first);
}

function index(value: unknown, ...keys: unknown[]): unknown {
  let at = value;
  for (const key of keys) {
    if (absent(at)) throw new Error("index of untyped nil");
    if (Array.isArray(at) || typeof at === "string") {
      if (typeof key !== "number" || !Number.isInteger(key))
        throw new Error(`cannot index slice/array with type ${kind(key)}`);
      const items: ArrayLike<unknown> = typeof at === "string" ? Buffer.from(at) : at;
      if (key < 0 || key > items.length) throw new Error(`index out of range: ${key}`);
      if (key === items.length)
        throw new Error(`reflect: ${typeof at === "string" ? "string" : "slice"} index out of range`);
      at = items[key];
    } else if (isMap(at)) {
      const map = at;
      if (typeof key !== "string") throw new Error(`value has type ${kind(key)}; should be string`);
      // A map of strings gives an empty one; what other maps would give cannot be told from here.
      const strings = Object.values(map).every((value) => typeof value === "string");
      at = Object.hasOwn(map, key) ? map[key] : strings ? "" : MISSING;
    } else throw new Error(`can't index item of type ${kind(at)}`);
  }
  return at;
}

function length(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  throw new Error(absent(value) ? "len of nil pointer" : `len of type ${kind(value)}`);
}

/** Go's Sprint puts spaces between operands when neither is a string. */
function sprint(...values: unknown[]): string {
  return values
    .map((value, at) =>
      at > 0 && typeof value !== "string" && typeof values[at - 1] !== "string"
        ? ` ${format(value)}`
        : format(value),
    )
    .join("");
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new Error(`wrong type for value; expected string; got ${absent(value) ? "nil" : kind(value)}`);
}

const HTML: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" };

const JS: Record<string, string> = { "\\": "\\\\", "'": "\\'", '"': '\\"' };

export const FUNCTIONS: Record<string, Callable> = {
  // `and` and `or` are evaluated by the engine, which stops early.
  and: fn(1, MANY, (...values: unknown[]) => values.find((value) => !truth(value)) ?? values.at(-1)),
  or: fn(1, MANY, (...values: unknown[]) => values.find(truth) ?? values.at(-1)),
  not: fn(1, 1, (value: unknown) => !truth(value)),
  eq: fn(1, MANY, (value: unknown, ...others: unknown[]) => {
    if (others.length === 0) throw new Error("missing argument for comparison");
    return others.some((other) => equal(value, other));
  }),
  ne: fn(2, 2, (a: unknown, b: unknown) => !equal(a, b)),
  lt: fn(2, 2, less),
  le: fn(2, 2, (a: unknown, b: unknown) => less(a, b) || equal(a, b)),
  gt: fn(2, 2, (a: unknown, b: unknown) => !less(a, b) && !equal(a, b)),
  ge: fn(2, 2, (a: unknown, b: unknown) => !less(a, b)),
  len: fn(1, 1, length),
  index: fn(1, MANY, index),
  slice: fn(1, 3, (value: unknown, from?: number, to?: number) => {
    if (typeof value !== "string" && !Array.isArray(value))
      throw new Error(`can't slice item of type ${kind(value)}`);
    for (const at of [from ?? 0, to ?? value.length]) {
      if (kind(at) !== "int") throw new Error(`cannot index slice/array with type ${kind(at)}`);
      if (at < 0 || at > value.length) throw new Error(`index out of range: ${at}`);
    }
    return value.slice(from, to);
  }),
  print: fn(0, MANY, sprint),
  println: fn(0, MANY, (...values: unknown[]) => `${values.map((value) => format(value)).join(" ")}\n`),
  printf: fn(1, MANY, (layout: unknown, ...values: unknown[]) => printf(text(layout), values), "string"),
  html: fn(0, MANY, (...values: unknown[]) =>
    sprint(...values).replace(/[&<>"']/g, (c) => HTML[c] as string),
  ),
  js: fn(0, MANY, (...values: unknown[]) =>
    sprint(...values).replace(
      /[\\'"<>&=]|[^\P{C}]|[\u2028\u2029]/gu,
      (c) => JS[c] ?? `\\u${(c.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}`,
    ),
  ),
  urlquery: fn(0, MANY, (...values: unknown[]) => encodeURIComponent(sprint(...values)).replace(/%20/g, "+")),
  call: fn(1, MANY, (value: unknown) => {
    throw new Error(absent(value) ? "call of nil" : `non-function of type ${typeName(value)}`);
  }),
  json: fn(1, 1, toJson),
  split: fn(2, 2, (value: string, by: string) => value.split(by), "string", "string"),
  join: fn(
    2,
    2,
    (values: unknown, by: string) =>
      absent(values) ? "" : (values as unknown[]).map((value) => format(value)).join(by),
    "[]string",
    "string",
  ),
  title: fn(
    1,
    1,
    (value: string) =>
      value.replace(
        /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
        (_, before: string, c: string) => before + c.toUpperCase(),
      ),
    "string",
  ),
  lower: fn(1, 1, (value: string) => value.toLowerCase(), "string"),
  upper: fn(1, 1, (value: string) => value.toUpperCase(), "string"),
  pad: fn(
    3,
    3,
    (value: string, before: number, after: number) =>
      value === "" ? "" : " ".repeat(before) + value + " ".repeat(after),
    ...(["string", "int", "int"] as const),
  ),
  truncate: fn(
    2,
    2,
    (value: string, size: number) => (value.length < size ? value : value.slice(0, size)),
    "string",
    "int",
  ),
};
