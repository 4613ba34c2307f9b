/**
 * Dresses the API's JSON in the types that Docker's client decodes it into, so that templates see the same fields,
 * and print and encode them in the same order. The types are tables: one line of words for each struct.
 *
 * A word is a field: `Name`, `Name:jsonName`, `Name=type`; a `?` at its end leaves the field out of JSON when it is
 * empty, a `-` always, and a `+` before it embeds the struct of that name. Types are `s` (a string, the default), `n`,
 * `b`, `time`, `any`, the name of a struct, and of each of these `*T`, `[]T` and `{}T` for pointers, lists and maps, with
 * `@name` after a list or map that Go has a name for.
 */
import {
  AS_JSON,
  FIELD_TYPES,
  GO_TYPE,
  type GoRecord,
  isNil,
  nil,
  POINTER,
  POINTERS,
  TEXT,
  TYPE,
  toJson,
} from "../../../engine/template/values.ts";

/** Tables of structs by their Go name, with the package: `container.State`. */
export type Types = Readonly<Record<string, string>>;

interface Field {
  readonly name: string;
  readonly json: string;
  readonly type: string;
  readonly embedded: boolean;
  readonly omit: "never" | "empty" | "always";
}

const parsed = new WeakMap<Types, Map<string, readonly Field[]>>();

function fieldsOf(types: Types, struct: string): readonly Field[] {
  let known = parsed.get(types);
  if (!known) {
    known = new Map();
    parsed.set(types, known);
  }
  let fields = known.get(struct);
  if (!fields) {
    const words = (types[struct] as string).split(/\s+/).filter((word) => word !== "");
    fields = words.map((word) => {
      const [, plus, name, json, type, omit] = /^(\+?)(\w+)(?::([\w.]+))?(?:=([^?]+?))?([?-]?)$/.exec(
        word,
      ) as unknown as string[];
      return {
        name: name as string,
        json: json ?? (name as string),
        type: type ?? "s",
        embedded: plus === "+",
        omit: omit === "?" ? "empty" : omit === "-" ? "always" : "never",
      };
    });
    known.set(struct, fields);
  }
  return fields;
}

/** The methods that print some types in their own way. */
const TEXTS: Readonly<Record<string, (value: Record<string, unknown>) => string>> = {
  "units.Ulimit": ({ Name, Soft, Hard }) => `${Name}=${Soft ?? 0}:${Hard ?? 0}`,
  "blkiodev.WeightDevice": ({ Path, Weight }) => `${Path}:${Weight ?? 0}`,
  "blkiodev.ThrottleDevice": ({ Path, Rate }) => `${Path}:${Rate ?? 0}`,
};

const NEVER = "0001-01-01T00:00:00Z";

/** `2026-11-21 08:22:12.292 +0000 UTC`, as Go prints a moment. */
function timeRecord(value: unknown): GoRecord {
  const text = typeof value === "string" && value !== "" ? value : NEVER;
  const [, date, time, fraction, zone] = /^([\d-]+)T([\d:]+)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const digits = (fraction ?? "").replace(/\.?0+$/, "");
  const shown =
    zone === "Z"
      ? "+0000 UTC"
      : `${zone?.replace(":", "")} ${zone === "+00:00" ? "+0000" : zone?.replace(":", "")}`;
  return {
    [TYPE]: "time.Time",
    [TEXT]: date ? `${date} ${time}${digits} ${shown}` : text,
    [AS_JSON]: () => JSON.stringify(text),
  };
}

type Json = unknown;

const PLAIN: Readonly<Record<string, string>> = {
  s: "string",
  n: "int",
  b: "bool",
  time: "time.Time",
  any: "interface {}",
};

/** `[]s` → `[]string`. */
function goType(whole: string): string {
  const [type = "", name] = whole.split("@");
  if (name !== undefined) return name;
  if (type.startsWith("*")) return `*${goType(type.slice(1))}`;
  if (type.startsWith("[]")) return `[]${goType(type.slice(2) || "s")}`;
  if (type.startsWith("{}")) return `map[string]${goType(type.slice(2) || "s")}`;
  return PLAIN[type] ?? (type === "empty" ? "struct {}" : type);
}

function named<T extends object>(made: T, type: string): T {
  return Object.defineProperty(made, GO_TYPE, { get: () => goType(type) });
}

function value(types: Types, whole: string, json: Json): unknown {
  const [type = ""] = whole.split("@");
  if (type.startsWith("*")) {
    if (json === null || json === undefined) return null;
    const inner = value(types, type.slice(1), json);
    if (typeof inner === "object" && inner !== null && TYPE in inner)
      (inner as { [POINTER]?: boolean })[POINTER] = true;
    return inner;
  }
  if (type.startsWith("[]")) {
    if (!Array.isArray(json)) return nil(named([], whole));
    return named(
      json.map((item) => value(types, type.slice(2) || "s", item)),
      whole,
    );
  }
  if (type.startsWith("{}")) {
    if (typeof json !== "object" || json === null) return nil(named({}, whole));
    const inner = type.slice(2) || "s";
    const entries = Object.entries(json).map(([key, item]) => [key, value(types, inner, item)]);
    return named(Object.fromEntries(entries), whole);
  }
  if (type === "s") return json ?? "";
  if (type === "n") return json ?? 0;
  if (type === "b") return json ?? false;
  if (type === "any") return json ?? null;
  if (type === "time") return timeRecord(json);
  return typed(types, type, json);
}

/** Whether a pointer's target is no struct: then the record itself has to know of it. */
const plainPointer = (type: string): boolean => /^\*[nbs]$/.test(type);

/** What Go calls the type of a field that is a pointer. */
function pointerOf(fields: readonly Field[], name: string): string | undefined {
  const type = fields.find((field) => field.name === name)?.type;
  return type?.startsWith("*") ? goType(type) : undefined;
}

/** One struct. Fields of embedded structs are there by their own names too, without being listed. */
export function typed(types: Types, struct: string, json: Json): GoRecord & Record<string, unknown> {
  const object = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const fields = fieldsOf(types, struct);
  const record: Record<string | symbol, unknown> = {
    [TYPE]: goType(struct),
    [AS_JSON]: () => `{${jsonFields(record as Record<string, unknown>, types, fields).join(",")}}`,
    [FIELD_TYPES]: (name: string) => pointerOf(fields, name),
    [POINTERS]: new Set(fields.filter(({ type }) => plainPointer(type)).map(({ name }) => name)),
  };
  const text = TEXTS[struct];
  if (text) record[TEXT] = text(object);
  for (const { name, json: key, type, embedded } of fields) {
    const member = value(types, type, embedded ? object : object[key]);
    record[name] = member;
    if (!embedded || member === null) continue;
    for (const inner of Object.getOwnPropertyNames(member)) {
      if (Object.hasOwn(record, inner)) continue;
      Object.defineProperty(record, inner, {
        value: (member as Record<string, unknown>)[inner],
        enumerable: false,
      });
    }
  }
  return record as GoRecord & Record<string, unknown>;
}

const empty = (type: string, value: unknown): boolean =>
  value === null ||
  value === undefined ||
  isNil(value) ||
  value === "" ||
  value === 0 ||
  value === false ||
  ((type.startsWith("[]") || type.startsWith("{}")) && Object.keys(value as object).length === 0);

function jsonFields(record: Record<string, unknown>, types: Types, fields: readonly Field[]): string[] {
  return fields.flatMap(({ name, json, type, embedded, omit }) => {
    const member = record[name];
    if (embedded)
      return member === null
        ? []
        : jsonFields(member as Record<string, unknown>, types, fieldsOf(types, type.replace(/^\*/, "")));
    if (omit === "always" || (omit === "empty" && empty(type, member))) return [];
    return [`${JSON.stringify(json)}:${toJson(member)}`];
  });
}
