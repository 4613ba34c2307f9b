/**
 * Describes the Go type that Docker decodes a document into, as far as its error messages show it. A schema
 * is data; `decode.ts` reads it.
 */

export interface Schema {
  /** The type's name in Go: `[]string`, `int64`, `container.HostConfig`. */
  readonly type: string;
  readonly kind: "string" | "bool" | "int" | "float" | "list" | "map" | "struct" | "any";
  /** For numbers: the range. */
  readonly min?: number;
  readonly max?: number;
  /** For lists and maps. */
  readonly of?: Schema;
  /** For lists: how many there are in a Go array; more are dropped. */
  readonly length?: number;
  /** For structs. */
  readonly fields?: Readonly<Record<string, Field>>;
  /** For strings and map keys: what Go's UnmarshalText would answer to a wrong one. */
  readonly check?: (text: string) => string | undefined;
  readonly checkKey?: (text: string) => string | undefined;
}

export interface Field {
  readonly schema: Schema;
  /** The embedded struct that declares it, which Go names in the path of an error. */
  readonly within?: string;
}

export const text: Schema = { type: "string", kind: "string" };
export const flag: Schema = { type: "bool", kind: "bool" };
export const anything: Schema = { type: "interface {}", kind: "any" };
export const float64: Schema = { type: "float64", kind: "float" };

const integer = (type: string, min: number, max: number): Schema => ({ type, kind: "int", min, max });
export const int = integer("int", -(2 ** 63), 2 ** 63);
export const int64 = integer("int64", -(2 ** 63), 2 ** 63);
export const uint = integer("uint", 0, 2 ** 64);
export const uint64 = integer("uint64", 0, 2 ** 64);
export const uint32 = integer("uint32", 0, 2 ** 32 - 1);
export const uint16 = integer("uint16", 0, 2 ** 16 - 1);

/** A named string, number or other type. */
export const named = (type: string, like: Schema): Schema => ({ ...like, type });
export const list = (of: Schema, type = `[]${of.type}`): Schema => ({ type, kind: "list", of });
export const array = (length: number, of: Schema): Schema => ({
  type: `[${length}]${of.type}`,
  kind: "list",
  of,
  length,
});
export const map = (of: Schema, options: { key?: string; checkKey?: Schema["checkKey"] } = {}): Schema => ({
  type: `map[${options.key ?? "string"}]${of.type}`,
  kind: "map",
  of,
  checkKey: options.checkKey,
});
/** `checked(text, …)` decodes as a string with its own syntax. */
export const checked = (type: string, check: (text: string) => string | undefined): Schema => ({
  type,
  kind: "string",
  check,
});

export function struct(type: string, ...parts: (Record<string, Schema> | Embedded)[]): Schema {
  const fields: Record<string, Field> = {};
  for (const part of parts) {
    if (part instanceof Embedded) {
      for (const [name, { schema }] of Object.entries(part.schema.fields ?? {}))
        fields[name] = { schema, within: part.name };
    } else {
      for (const [name, schema] of Object.entries(part)) fields[name] = { schema };
    }
  }
  return { type, kind: "struct", fields };
}

class Embedded {
  constructor(
    readonly name: string,
    readonly schema: Schema,
  ) {}
}

/** The fields of another struct, inlined as Go does with an embedded one. */
export const embedded = (name: string, schema: Schema): Embedded => new Embedded(name, schema);
