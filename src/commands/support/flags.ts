/**
 * Flags with pflag's grammar and complaints: `--name value`, `--name=value`, `-n value`, `-nvalue`, clusters of
 * shorthands, `--` ends them, and optionally the first word that is no flag does.
 */

import { formatDuration, parseDuration } from "./duration.ts";
import { messageOf, UsageError } from "./failure.ts";
import { parseByteSize } from "./units.ts";

export interface Flag {
  readonly name: string;
  readonly short: string | undefined;
  /** As help shows it; `bool` takes no word, `list` and `map` may be repeated. */
  readonly type: string;
  readonly usage: string;
  readonly default: unknown;
  readonly many: boolean;
  /** Accepted, but not shown. */
  readonly hidden: boolean;
  /** What to use instead: said to whoever gives it. */
  readonly deprecated: string | undefined;
  /** Makes the value of one word; throws an Error that says what is wrong with it. */
  readonly parse: (word: string) => unknown;
}

type Rest = {
  default?: unknown;
  hidden?: boolean;
  deprecated?: string;
  parse?: (word: string) => unknown;
  type?: string;
};

const goQuote = (text: string): string => JSON.stringify(text);
const TRUE = ["1", "t", "T", "true", "TRUE", "True"];
export const FALSE = ["0", "f", "F", "false", "FALSE", "False"];

function parseBool(word: string): boolean {
  if (TRUE.includes(word)) return true;
  if (FALSE.includes(word)) return false;
  throw new Error(`strconv.ParseBool: parsing ${goQuote(word)}: invalid syntax`);
}

function parseInteger(func: string, min: bigint, max: bigint): (word: string) => number {
  return (word) => {
    const text = word.replace(/(?<=\w)_(?=\w)/g, "");
    if (
      !/^[+-]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9]\d*)$/.test(text) ||
      (min >= 0n && /^[+-]/.test(text))
    ) {
      throw new Error(`strconv.${func}: parsing ${goQuote(word)}: invalid syntax`);
    }
    const digits = text.replace(/^[+-]/, "").replace(/^0(?=[0-7]+$)/, "0o");
    const value = text.startsWith("-") ? -BigInt(digits) : BigInt(digits);
    if (value < min || value > max)
      throw new Error(`strconv.${func}: parsing ${goQuote(word)}: value out of range`);
    return Number(value);
  };
}

/** Called for all hundred flags of `run` at each start, and not compiled by then. */
const define =
  (type: string, fallback: unknown, parse: (word: string) => unknown, many = false) =>
  (name: string, short: string | undefined, usage: string, rest: Rest = {}): Flag => ({
    name,
    short,
    type: rest.type ?? type,
    usage,
    default: rest.default ?? fallback,
    many,
    parse: rest.parse ?? parse,
    hidden: rest.hidden === true || rest.deprecated !== undefined,
    deprecated: rest.deprecated,
  });

const same = (word: string): unknown => word;

export const bool = define("bool", false, parseBool);
export const string = define("string", "", same);
export const list = define("list", [], same, true);
export const int = define("int", 0, parseInteger("ParseInt", -9223372036854775808n, 9223372036854775807n));
export const uint16 = define("uint16", 0, parseInteger("ParseUint", 0n, 65535n));
export const uint = define("uint", 0, parseInteger("ParseUint", 0n, 18446744073709551615n));
export const bytes = define("bytes", 0, parseByteSize);
export const duration = define("duration", 0, (word) => {
  try {
    return parseDuration(word);
  } catch (error) {
    throw new Error(messageOf(error));
  }
});

/** A `key=value` filter, gathered as the API wants it. */
export const filter = define(
  "filter",
  [],
  (word) => {
    const at = word.indexOf("=");
    if (at < 0) throw new Error("bad format of filter (expected name=value)");
    return [word.slice(0, at).trim().toLowerCase(), word.slice(at + 1).trim()];
  },
  true,
);

/** Filters as the query string carries them; undefined when there are none. */
export function filterQuery(filters: readonly (readonly [string, string])[]): string | undefined {
  if (filters.length === 0) return undefined;
  const gathered: Record<string, Record<string, boolean>> = {};
  for (const [name, value] of filters) {
    gathered[name] ??= {};
    gathered[name][value] = true;
  }
  return JSON.stringify(gathered);
}

export class ParsedFlags {
  /** The names of the flags that were given. */
  readonly changed = new Set<string>();
  /** What was given, and the defaults of the others. */
  readonly #values = new Map<string, unknown>();

  constructor(flags: readonly Flag[]) {
    for (const flag of flags) this.#values.set(flag.name, flag.default);
  }

  /** Takes one word's value: the flag's own, or one more of several. */
  give(flag: Flag, value: unknown): void {
    if (!flag.many) this.#values.set(flag.name, value);
    else if (this.changed.has(flag.name)) this.list<unknown>(flag.name).push(value);
    else this.#values.set(flag.name, [value]);
    this.changed.add(flag.name);
  }

  get(name: string): unknown {
    return this.#values.get(name);
  }
  bool(name: string): boolean {
    return this.#values.get(name) === true;
  }
  string(name: string): string {
    return (this.#values.get(name) as string | undefined) ?? "";
  }
  number(name: string): number {
    return (this.#values.get(name) as number | undefined) ?? 0;
  }
  list<T = string>(name: string): T[] {
    return (this.#values.get(name) as T[] | undefined) ?? [];
  }
  has(name: string): boolean {
    return this.changed.has(name);
  }
}

function find(flags: readonly Flag[], by: "name" | "short", word: string): Flag | undefined {
  for (const flag of flags) if (flag[by] === word) return flag;
  return undefined;
}

/** How pflag names a flag in a complaint. */
const display = (flag: Flag): string => (flag.short ? `-${flag.short}, --${flag.name}` : `--${flag.name}`);

function assign(parsed: ParsedFlags, flag: Flag, word: string): void {
  let value: unknown;
  try {
    value = flag.parse(word);
  } catch (error) {
    throw new UsageError(
      `invalid argument ${goQuote(word)} for "${display(flag)}" flag: ${messageOf(error)}`,
    );
  }
  parsed.give(flag, value);
}

export interface ParseResult {
  flags: ParsedFlags;
  args: string[];
  help: boolean;
  /** `-h` was written, which is no longer its short form. */
  shortHelp: boolean;
  /** Whether a `--` stood before the words. */
  dashed: boolean;
}

export function parseFlags(
  words: readonly string[],
  flags: readonly Flag[],
  interspersed = true,
): ParseResult {
  const parsed = new ParsedFlags(flags);
  const result: ParseResult = { flags: parsed, args: [], help: false, shortHelp: false, dashed: false };
  let at = 0;
  while (at < words.length) {
    const word = words[at++] as string;
    if (word.length < 2 || word[0] !== "-") {
      result.args.push(word);
      if (!interspersed) break;
    } else if (word === "--") {
      result.dashed = true;
      break;
    } else if (word[1] === "-") at = long(word, words, at, flags, result);
    else at = cluster(word, words, at, flags, result);
    if (result.help) return result;
  }
  result.args.push(...words.slice(at));
  return result;
}

function long(
  word: string,
  words: readonly string[],
  at: number,
  flags: readonly Flag[],
  result: ParseResult,
): number {
  const body = word.slice(2);
  if (body[0] === "-" || body[0] === "=") throw new UsageError(`bad flag syntax: ${word}`);
  const equals = body.indexOf("=");
  const name = equals < 0 ? body : body.slice(0, equals);
  const flag = find(flags, "name", name);
  if (!flag) {
    if (name !== "help") throw new UsageError(`unknown flag: --${name}`);
    result.help = true;
    if (equals < 0) return at;
    try {
      result.help = parseBool(body.slice(equals + 1));
    } catch (error) {
      throw new UsageError(
        `invalid argument ${goQuote(body.slice(equals + 1))} for "--help" flag: ${messageOf(error)}`,
      );
    }
    return at;
  }
  if (equals >= 0) assign(result.flags, flag, body.slice(equals + 1));
  else if (flag.type === "bool") assign(result.flags, flag, "true");
  else if (at < words.length) assign(result.flags, flag, words[at++] as string);
  else throw new UsageError(`flag needs an argument: ${word}`);
  return at;
}

function cluster(
  word: string,
  words: readonly string[],
  at: number,
  flags: readonly Flag[],
  result: ParseResult,
): number {
  let rest = word.slice(1);
  while (rest !== "") {
    const letter = rest[0] as string;
    const flag = find(flags, "short", letter);
    if (!flag) {
      if (letter !== "h") throw new UsageError(`unknown shorthand flag: '${letter}' in -${rest}`);
      result.help = true;
      result.shortHelp = true;
      return at;
    }
    const tail = rest.slice(1);
    if (tail.length > 1 && tail[0] === "=") {
      assign(result.flags, flag, tail.slice(1));
      return at;
    }
    if (flag.type === "bool") {
      assign(result.flags, flag, "true");
      rest = tail;
      continue;
    }
    if (tail !== "") assign(result.flags, flag, tail);
    else if (at < words.length) assign(result.flags, flag, words[at++] as string);
    else throw new UsageError(`flag needs an argument: '${letter}' in -${rest}`);
    return at;
  }
  return at;
}

/** The default as help shows it; undefined when it is the type's empty value. */
export function shownDefault(flag: Flag): string | undefined {
  const value = flag.default;
  if (flag.type === "duration") return formatDuration(value as number);
  if (typeof value === "string") return value === "" ? undefined : goQuote(value);
  if (typeof value === "number") return value === 0 ? undefined : String(value);
  return value === true ? "true" : undefined;
}
