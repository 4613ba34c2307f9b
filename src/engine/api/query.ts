/** The query string as Docker reads it: Go's number syntax and messages, its idea of a boolean, its filters. */
import { EngineError } from "../errors.ts";
import { type Filters, invalidFilter } from "../filters.ts";
import { parseTimestamp } from "./timestamp.ts";

const FALSE = ["", "0", "no", "false", "none"];

export class Query {
  readonly #values: URLSearchParams;

  constructor(search: string | URLSearchParams) {
    this.#values = typeof search === "string" ? new URLSearchParams(search) : search;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** The first value; empty when there is none. */
  text(key: string): string {
    return this.#values.get(key) ?? "";
  }

  all(key: string): string[] {
    return this.#values.getAll(key);
  }

  flag(key: string, otherwise = false): boolean {
    if (!this.has(key)) return otherwise;
    return !FALSE.includes(this.text(key).trim().toLowerCase());
  }

  /** @throws EngineError invalid `strconv.Atoi: parsing "x": invalid syntax` */
  int(key: string): number | undefined {
    const value = this.text(key);
    if (value === "") return undefined;
    const problem = integerProblem(value, 64);
    if (problem)
      throw new EngineError("invalid", `strconv.Atoi: parsing ${JSON.stringify(value)}: ${problem}`);
    return Number(value);
  }

  /** A terminal's width or height. @throws EngineError invalid `invalid resize height "x": invalid syntax` */
  cells(key: "h" | "w"): number {
    const value = this.text(key);
    const problem = value.startsWith("+")
      ? "invalid syntax"
      : (integerProblem(value, 32) ?? (value.startsWith("-") ? "value out of range" : undefined));
    if (problem) {
      const side = key === "h" ? "height" : "width";
      throw new EngineError("invalid", `invalid resize ${side} ${JSON.stringify(value)}: ${problem}`);
    }
    return Number(value);
  }

  /** Nanoseconds since the epoch. @throws EngineError invalid `invalid value for QUOTED: invalid timestamp "x": …` */
  time(key: string, quoted: string): bigint | undefined {
    const value = this.text(key);
    if (value === "") return undefined;
    return parseTimestamp(
      value,
      (problem) => new EngineError("invalid", `invalid value for ${quoted}: ${problem}`),
    );
  }

  /** @throws EngineError invalid `invalid filter` */
  filters(): Filters {
    return parseFilters(this.text("filters"));
  }
}

/** Both forms: `{"label": {"a=b": true}}` and the older `{"label": ["a=b"]}`. */
export function parseFilters(text: string): Filters {
  if (text === "") return {};
  let decoded: unknown;
  try {
    decoded = JSON.parse(text);
  } catch {
    throw invalidFilter();
  }
  if (decoded === null) return {};
  if (typeof decoded !== "object" || Array.isArray(decoded)) throw invalidFilter();
  const filters: Filters = {};
  let form: "list" | "set" | undefined;
  for (const [key, values] of Object.entries(decoded)) {
    if (key === "__proto__") throw invalidFilter(key);
    const shape = Array.isArray(values) ? "list" : "set";
    if (values !== null && form !== undefined && form !== shape) throw invalidFilter();
    if (values === null) {
      filters[key] = [];
    } else if (Array.isArray(values) && values.every((value) => typeof value === "string")) {
      filters[key] = [...new Set(values)];
    } else if (
      shape === "set" &&
      typeof values === "object" &&
      Object.values(values).every((value) => typeof value === "boolean")
    ) {
      filters[key] = Object.keys(values);
    } else {
      throw invalidFilter();
    }
    form ??= values === null ? undefined : shape;
  }
  return filters;
}

function integerProblem(text: string, bits: 32 | 64): "invalid syntax" | "value out of range" | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return "invalid syntax";
  const value = BigInt(text.replace(/^\+/, ""));
  const limit = bits === 32 ? 2n ** 32n - 1n : 2n ** 63n - 1n;
  return value > limit || (bits === 64 && value < -limit - 1n) ? "value out of range" : undefined;
}
