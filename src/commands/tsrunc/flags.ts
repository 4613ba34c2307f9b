/**
 * Flags as Go's urfave/cli reads them: one or two dashes, `--flag value` or `--flag=value`, before the words or between
 * them. A library for it would cost more than a container's start.
 */
export interface FlagDefinition {
  kind: "switch" | "value" | "list";
  short?: string;
}

export type FlagTable = Record<string, FlagDefinition>;

/** Exit status 1, or what is said. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

export class Flags {
  readonly #values: ReadonlyMap<string, string[]>;

  constructor(values: ReadonlyMap<string, string[]>) {
    this.#values = values;
  }

  on(name: string): boolean {
    const value = this.value(name);
    return value !== undefined && value !== "false";
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  value(name: string): string | undefined {
    const values = this.#values.get(name);
    return values?.[values.length - 1];
  }

  list(name: string): string[] {
    return this.#values.get(name) ?? [];
  }

  number(name: string): number {
    const value = this.value(name);
    if (value === undefined) return 0;
    if (!/^-?\d+$/.test(value))
      throw new UsageError(`invalid value ${JSON.stringify(value)} for flag -${name}: parse error`);
    return Number(value);
  }
}

/** With `first`, the first word ends the flags; without, a flag that is known is one behind it, too, and all else a word. */
export function parseFlags(
  table: FlagTable,
  args: readonly string[],
  { first = true } = {},
): { flags: Flags; rest: string[] } {
  const values = new Map<string, string[]>();
  const words: string[] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at] as string;
    if (word === "--") {
      if (words.length === 0) at++;
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      if (first) break;
      words.push(word);
      continue;
    }
    const bare = word.slice(word.startsWith("--") ? 2 : 1);
    const equals = bare.indexOf("=");
    const given = equals < 0 ? bare : bare.slice(0, equals);
    const name = Object.hasOwn(table, given)
      ? given
      : Object.keys(table).find((key) => table[key]?.short === given);
    if (name === undefined && words.length > 0) {
      words.push(word);
      continue;
    }
    if (name === undefined) throw new UsageError(`flag provided but not defined: -${given}`);
    let value = equals < 0 ? undefined : bare.slice(equals + 1);
    if (value === undefined) {
      if (table[name]?.kind === "switch") value = "true";
      else if (++at < args.length) value = args[at] as string;
      else throw new UsageError(`flag needs an argument: -${given}`);
    }
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  words.push(...args.slice(at));
  return { flags: new Flags(values), rest: words };
}
