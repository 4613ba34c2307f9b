/** Go's Sprintf, for the verbs that templates use. */
import { goQuote } from "./quote.ts";
import { format, isRecord, POINTER, TEXT } from "./values.ts";

const typeName = (value: unknown): string =>
  typeof value === "number"
    ? Number.isInteger(value)
      ? "int"
      : "float64"
    : typeof value === "boolean"
      ? "bool"
      : typeof value;

export function printf(layout: string, values: readonly unknown[]): string {
  let used = 0;
  const text = layout.replace(
    /%([-+# 0]*)(\d+|\*)?(?:\.(\d+))?(.)?/gsu,
    (_, flags: string, width: string, precision: string, verb: string) => {
      if (verb === undefined) return "%!(NOVERB)";
      if (verb === "%") return "%";
      const size = width === "*" ? Number(values[used++]) : Number(width ?? 0);
      if (used >= values.length) return `%!${verb}(MISSING)`;
      const value = values[used++];
      const body = convert(verb, value, flags, precision === undefined ? undefined : Number(precision));
      if (body.length >= size) return body;
      if (flags.includes("-")) return body.padEnd(size);
      if (flags.includes("0") && typeof value === "number")
        return body.startsWith("-") ? `-${body.slice(1).padStart(size - 1, "0")}` : body.padStart(size, "0");
      return body.padStart(size);
    },
  );
  if (used >= values.length) return text;
  const extra = values
    .slice(used)
    .map((value) => (value === null ? "<nil>" : `${typeName(value)}=${format(value)}`));
  return `${text}%!(EXTRA ${extra.join(", ")})`;
}

function convert(verb: string, value: unknown, flags: string, precision: number | undefined): string {
  const bad = (): string =>
    value === null || value === undefined
      ? `%!${verb}(<nil>)`
      : `%!${verb}(${typeName(value)}=${format(value)})`;
  const plus = (text: string): string => (flags.includes("+") && !text.startsWith("-") ? `+${text}` : text);
  switch (verb) {
    case "v":
      if (isRecord(value) && value[POINTER] && value[TEXT] === undefined) return `&${format(value)}`;
      return format(value);
    case "s": {
      if (typeof value === "number" || typeof value === "boolean" || value === null) return bad();
      const text = format(value);
      return precision === undefined ? text : [...text].slice(0, precision).join("");
    }
    case "q":
      return typeof value === "string"
        ? goQuote(value)
        : Array.isArray(value)
          ? `[${value.map((item) => convert(verb, item, flags, precision)).join(" ")}]`
          : bad();
    case "d":
      return typeof value === "number" && Number.isInteger(value)
        ? plus(format(value))
        : Array.isArray(value)
          ? `[${value.map((item) => convert(verb, item, flags, precision)).join(" ")}]`
          : bad();
    case "t":
      return typeof value === "boolean" ? String(value) : bad();
    case "f":
    case "F":
      return typeof value === "number" ? plus(value.toFixed(precision ?? 6)) : bad();
    case "e":
      return typeof value === "number"
        ? plus(value.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, "e$10$2"))
        : bad();
    case "g":
      return typeof value === "number" ? format(value) : bad();
    case "x":
    case "X": {
      const text =
        typeof value === "string"
          ? Buffer.from(value).toString("hex")
          : typeof value === "number"
            ? BigInt(value).toString(16)
            : undefined;
      if (text === undefined) return bad();
      const shown = verb === "X" ? text.toUpperCase() : text;
      return flags.includes("#") && typeof value === "number" ? `0${verb}${shown}` : shown;
    }
    case "o":
      return typeof value === "number" ? BigInt(value).toString(8) : bad();
    case "b":
      return typeof value === "number" ? BigInt(value).toString(2) : bad();
    case "c":
      return typeof value === "number" ? String.fromCodePoint(value) : bad();
    case "T":
      return typeName(value);
    default:
      return bad();
  }
}
