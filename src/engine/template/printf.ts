/** Go's Sprintf: flags, widths, precisions, argument indexes, and its words for what does not fit. @source Go, package fmt */
import { goQuote } from "./quote.ts";
import {
  ADDRESS,
  FIELD_TYPES,
  Float,
  floatText,
  format,
  GO_TYPE,
  isMap,
  isNil,
  isRecord,
  POINTER,
  POINTERS,
  TEXT,
  TYPE,
} from "./values.ts";

interface Spec {
  readonly verb: string;
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
}

export function typeName(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (value instanceof Float) return "float64";
  if (typeof value === "boolean") return "bool";
  if (value === null || value === undefined) return "<nil>";
  if (isRecord(value)) return value[POINTER] ? `*${value[TYPE]}` : value[TYPE];
  if (Array.isArray(value)) return (value as { [GO_TYPE]?: string })[GO_TYPE] ?? `[]${elementType(value)}`;
  if (isMap(value)) {
    const known = (value as { [GO_TYPE]?: string })[GO_TYPE];
    return known ?? `map[string]${elementType(Object.values(value))}`;
  }
  return typeof value;
}

const elementType = (items: readonly unknown[]): string => {
  const types = new Set(items.map(typeName));
  return items.length === 0 ? "string" : types.size === 1 ? [...types][0]! : "interface {}";
};

const DIRECTIVE =
  /%(?<flags>[-+# 0]*)(?:\[(?<at1>[^\]]*)\])?(?<width>\d+|\*)?(?:(?<dot>\.)(?:\[(?<at2>[^\]]*)\])?(?<precision>\d+|\*)?)?(?:\[(?<at3>[^\]]*)\])?(?<verb>.)?/gsu;

export function printf(layout: string, values: readonly unknown[]): string {
  let used = 0;
  let reordered = false;
  const text = layout.replace(DIRECTIVE, (...match) => {
    const part = match.at(-1) as Record<string, string | undefined>;
    let good = true;
    const move = (index: string | undefined): void => {
      if (index === undefined) return;
      reordered = true;
      if (/^\d+$/.test(index) && Number(index) >= 1 && Number(index) <= values.length)
        used = Number(index) - 1;
      else good = false;
    };
    let { flags = "" } = part;
    let complaints = "";
    const star = (what: string): number | undefined => {
      const value = values[used++];
      if (typeof value === "number" && Number.isInteger(value)) return value;
      complaints += `%!(BAD${what})`;
      return undefined;
    };
    move(part.at1);
    let width = part.width === "*" ? (star("WIDTH") ?? 0) : Number(part.width ?? 0);
    if (width < 0) {
      flags += "-";
      width = -width;
    }
    move(part.at2);
    let precision = part.dot === undefined ? undefined : Number(part.precision ?? 0);
    if (part.precision === "*") precision = star("PREC");
    if (precision !== undefined && precision < 0) precision = undefined;
    move(part.at3);
    const { verb } = part;
    if (verb === undefined) return `${complaints}%!(NOVERB)`;
    if (verb === "%") return `${complaints}%`;
    if (!good) return `${complaints}%!${verb}(BADINDEX)`;
    if (used >= values.length) return `${complaints}%!${verb}(MISSING)`;
    return complaints + print(values[used++], { verb, flags, width, precision }, 0);
  });
  if (reordered || used >= values.length) return text;
  const extra = values
    .slice(used)
    .map((value) => (value === null ? "<nil>" : `${typeName(value)}=${format(value)}`));
  return `${text}%!(EXTRA ${extra.join(", ")})`;
}

const bad = (value: unknown, { verb }: Spec): string =>
  value === null || value === undefined
    ? `%!${verb}(<nil>)`
    : `%!${verb}(${typeName(value)}=${isRecord(value) && value[POINTER] ? "&" : ""}${format(value)})`;

function pad(text: string, { flags, width }: Spec): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(missing);
  return (flags.includes("0") ? "0" : " ").repeat(missing) + text;
}

/** With its sign in front of the zeros. */
function padNumber(text: string, spec: Spec): string {
  const { verb, width } = spec;
  // With `%v` it asks for the names of fields.
  const flags = verb === "v" ? spec.flags.replaceAll("+", "") : spec.flags;
  const sign = text.startsWith("-") ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const digits = text.replace(/^-/, "");
  if (flags.includes("0") && !flags.includes("-")) return sign + digits.padStart(width - sign.length, "0");
  return pad(sign + digits, spec);
}

function print(value: unknown, spec: Spec, depth: number): string {
  const { verb, flags } = spec;
  if (verb === "T") return pad(typeName(value), spec);
  if (value === null || value === undefined)
    return verb === "v" ? pad("<nil>", { ...spec, flags: flags.replace("0", "") }) : bad(value, spec);
  if (typeof value === "boolean")
    return verb === "t" || verb === "v" ? pad(String(value), spec) : bad(value, spec);
  if (typeof value === "string") return printText(value, spec);
  if (typeof value === "number") return printNumber(value, spec);
  if (value instanceof Float) return printFloat(value, spec);
  if (Array.isArray(value)) return printList(value, spec, depth);
  if (isRecord(value)) return printRecord(value, spec, depth);
  if (isMap(value)) return printMap(value, spec, depth);
  return pad(format(value), spec);
}

const goSyntax = ({ verb, flags }: Spec): boolean => verb === "v" && flags.includes("#");

function printText(value: string, spec: Spec): string {
  const { verb, flags, precision } = spec;
  const cut = precision === undefined ? value : [...value].slice(0, precision).join("");
  switch (verb) {
    case "v":
      return pad(flags.includes("#") ? goQuote(cut) : cut, spec);
    case "s":
      return pad(cut, spec);
    case "q":
      if (flags.includes("#") && !/[`\x00-\x08\x0a-\x1f\x7f\ufeff]/.test(cut)) return pad(`\`${cut}\``, spec);
      return pad(flags.includes("+") ? goQuote(cut, "ascii") : goQuote(cut), spec);
    case "x":
    case "X": {
      const bytes = [...Buffer.from(value).subarray(0, precision)].map((byte) =>
        byte.toString(16).padStart(2, "0"),
      );
      const prefix = flags.includes("#") && bytes.length > 0 ? "0x" : "";
      const hex = flags.includes(" ")
        ? bytes.map((byte) => prefix + byte).join(" ")
        : prefix + bytes.join("");
      return pad(verb === "X" ? hex.toUpperCase() : hex, spec);
    }
    default:
      return bad(value, spec);
  }
}

const BASES: Readonly<Record<string, readonly [base: number, prefix: string]>> = {
  b: [2, "0b"],
  o: [8, "0"],
  O: [8, ""],
  d: [10, ""],
  v: [10, ""],
  x: [16, "0x"],
  X: [16, "0x"],
};

function printNumber(value: number, spec: Spec): string {
  const { verb, flags, precision } = spec;
  const base = BASES[verb];
  if (!Number.isInteger(value)) return printFloat(value, spec);
  if (base !== undefined) {
    const digits = BigInt(Math.abs(value))
      .toString(base[0])
      .padStart(precision ?? 1, "0");
    const prefix = verb === "O" ? "0o" : flags.includes("#") && verb !== "v" ? base[1] : "";
    const text = prefix + digits;
    return padNumber((value < 0 ? "-" : "") + (verb === "X" ? text.toUpperCase() : text), {
      ...spec,
      flags: precision === undefined ? flags : flags.replaceAll("0", ""),
    });
  }
  const known = value >= 0 && value <= 0x10ffff;
  const character = known ? String.fromCodePoint(value) : "\ufffd";
  const unpadded = { ...spec, flags: flags.replaceAll("0", "") };
  if (verb === "c") return pad(character, unpadded);
  if (verb === "q")
    return pad(`'${goQuote(character).slice(1, -1).replace("'", "\\'").replace('\\"', '"')}'`, unpadded);
  if (verb === "U") {
    const point = `U+${value
      .toString(16)
      .toUpperCase()
      .padStart(Math.max(4, precision ?? 0), "0")}`;
    return pad(flags.includes("#") && known ? `${point} '${character}'` : point, unpadded);
  }
  return bad(value, spec);
}

const twoDigits = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");

function printFloat(float: number | Float, spec: Spec): string {
  const { verb, precision } = spec;
  const value = typeof float === "number" ? float : float.value;
  const upper = (text: string): string => (/[EGX]/.test(verb) ? text.toUpperCase() : text);
  switch (verb) {
    case "f":
    case "F":
      return padNumber(fixed(value, precision ?? 6), spec);
    case "e":
    case "E":
      return padNumber(upper(twoDigits(value.toExponential(precision ?? 6))), spec);
    case "v":
    case "g":
    case "G":
      return padNumber(upper(floatText(value, precision)), spec);
    case "x":
    case "X":
      return padNumber(upper(hexFloat(value)), spec);
    default:
      return bad(float, spec);
  }
}

/** What lies in the middle goes to the even digit, where JavaScript takes the larger one. */
function fixed(value: number, digits: number): string {
  const twice = Math.abs(value) * 10 ** digits * 2;
  const middle = Number.isInteger(twice) && twice % 2 === 1 && ((twice - 1) / 2) % 2 === 0;
  return middle
    ? ((Math.sign(value) * (twice - 1)) / 2 / 10 ** digits).toFixed(digits)
    : value.toFixed(digits);
}

/** `0x1.8p+00`. */
function hexFloat(value: number): string {
  if (value === 0) return `${Object.is(value, -0) ? "-" : ""}0x0p+00`;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(value));
  const exponent = (bits.getUint16(0) >> 4) - 1023;
  const mantissa = (bits.getBigUint64(0) & 0xfffffffffffffn)
    .toString(16)
    .padStart(13, "0")
    .replace(/0+$/, "");
  const power = String(Math.abs(exponent)).padStart(2, "0");
  return `${value < 0 ? "-" : ""}0x1${mantissa && `.${mantissa}`}p${exponent < 0 ? "-" : "+"}${power}`;
}

function printList(list: readonly unknown[], spec: Spec, depth: number): string {
  const items = list.map((item) => print(item, spec, depth + 1));
  if (!goSyntax(spec)) return `[${items.join(" ")}]`;
  return isNil(list) ? `${typeName(list)}(nil)` : `${typeName(list)}{${items.join(", ")}}`;
}

function printMap(map: Record<string, unknown>, spec: Spec, depth: number): string {
  const items = Object.keys(map)
    .sort()
    .map((key) => `${print(key, spec, depth + 1)}:${print(map[key], spec, depth + 1)}`);
  if (!goSyntax(spec)) return `map[${items.join(" ")}]`;
  return isNil(map) ? `${typeName(map)}(nil)` : `${typeName(map)}{${items.join(", ")}}`;
}

function printRecord(
  record: Record<string, unknown> & { [TYPE]: string },
  spec: Spec,
  depth: number,
): string {
  const go = goSyntax(spec);
  const {
    [TEXT]: own,
    [POINTERS]: pointers,
    [POINTER]: pointer,
    [FIELD_TYPES]: types,
  } = record as {
    [TEXT]?: string;
    [POINTERS]?: ReadonlySet<string>;
    [POINTER]?: boolean;
    [FIELD_TYPES]?: (name: string) => string | undefined;
  };
  if (own !== undefined && !go) return printText(own, spec);
  if (depth > 0 && pointer) return go ? `(*${record[TYPE]})(${ADDRESS})` : ADDRESS;
  const named = go || spec.flags.includes("+");
  const fields = Object.keys(record)
    .filter((key) => typeof record[key] !== "function")
    .map((key) => {
      const member = record[key];
      const type = go ? types?.(key) : undefined;
      let shown: string;
      if (member === null && type !== undefined) shown = `(${type})(nil)`;
      else if (!pointers?.has(key) || member === null) shown = print(member, spec, depth + 1);
      else shown = type === undefined ? ADDRESS : `(${type})(${ADDRESS})`;
      return named ? `${key}:${shown}` : shown;
    });
  return `${pointer ? "&" : ""}${go ? record[TYPE] : ""}{${fields.join(go ? ", " : " ")}}`;
}
