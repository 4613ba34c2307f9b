/** Reads the daemon's command line as pflag reads dockerd's. */
import { parseGoBool } from "../strconv.ts";
import { type PoolOption, parsePool } from "./network-options.ts";
import {
  type DaemonConfig,
  DEFAULT_CONFIG_FILE,
  defaults,
  type Key,
  OPTIONS,
  type Option,
} from "./options.ts";

export interface CommandLine {
  config: DaemonConfig;
  /** The keys that flags have set. */
  given: ReadonlySet<Key>;
  configFile: string;
  configFileGiven: boolean;
  action: "run" | "help" | "version" | "validate";
}

/** A command line that cannot be read; the message is dockerd's. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Flags that are not part of the configuration. */
const OTHERS = {
  "config-file": { kind: "string", short: undefined },
  help: { kind: "bool", short: "h" },
  version: { kind: "bool", short: "v" },
  validate: { kind: "bool", short: undefined },
} as const;
type Other = keyof typeof OTHERS;

type Known = { name: string; kind: Option["kind"]; short?: string; option?: Option };

export function parseFlags(args: readonly string[]): CommandLine {
  const config = defaults();
  const given = new Set<Key>();
  const line: CommandLine = {
    config,
    given,
    configFile: DEFAULT_CONFIG_FILE,
    configFileGiven: false,
    action: "run",
  };

  const set = (known: Known, text: string) => {
    if (known.option) {
      assign(config, known.option, text, !given.has(known.option.key));
      given.add(known.option.key);
      return;
    }
    const name = known.name as Other;
    if (name === "config-file") {
      line.configFile = text;
      line.configFileGiven = true;
    } else if (parseBool(text, `--${name}`)) {
      line.action = name;
    }
  };

  const words = [...args];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--") {
      if (words.length > 0) throw new UsageError("accepts no arguments");
    } else if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
      const known = findLong(name);
      if (!known) throw new UsageError(`unknown flag: --${name}`);
      if (equals >= 0) set(known, word.slice(equals + 1));
      else if (known.kind === "bool") set(known, "true");
      else set(known, next(words, `flag needs an argument: --${name}`));
    } else if (word.startsWith("-") && word.length > 1) {
      parseShort(word.slice(1), words, set);
    } else {
      throw new UsageError("accepts no arguments");
    }
  }
  return line;
}

/** `-DH unix:///x`: letters of flags without a value, the last one perhaps with one. */
function parseShort(letters: string, words: string[], set: (known: Known, text: string) => void): void {
  for (let at = 0; at < letters.length; at++) {
    const known = findShort(letters[at]!);
    if (!known) throw new UsageError(`unknown shorthand flag: '${letters[at]}' in -${letters}`);
    const rest = letters.slice(at + 1);
    if (rest.startsWith("=")) {
      set(known, rest.slice(1));
      return;
    }
    if (known.kind !== "bool") {
      set(known, rest || next(words, `flag needs an argument: '${letters[at]}' in -${letters}`));
      return;
    }
    set(known, "true");
  }
}

function next(words: string[], problem: string): string {
  const word = words.shift();
  if (word === undefined) throw new UsageError(problem);
  return word;
}

function findLong(name: string): Known | undefined {
  const option = OPTIONS.find(({ flag }) => flag === name);
  if (option) return { name, kind: option.kind, option };
  return Object.hasOwn(OTHERS, name) ? { name, kind: OTHERS[name as Other].kind } : undefined;
}

function findShort(letter: string): Known | undefined {
  const option = OPTIONS.find(({ short }) => short === letter);
  if (option) return { name: option.flag, kind: option.kind, option };
  const other = (Object.keys(OTHERS) as Other[]).find((name) => OTHERS[name].short === letter);
  return other && { name: other, kind: OTHERS[other].kind };
}

const shown = ({ short, flag }: Option) => (short ? `-${short}, --${flag}` : `--${flag}`);

function assign(config: DaemonConfig, option: Option, text: string, first: boolean): void {
  const values = config as unknown as Record<string, unknown>;
  const wrong = (problem: string) =>
    new UsageError(`invalid argument ${JSON.stringify(text)} for "${shown(option)}" flag: ${problem}`);
  const problem = option.check?.(text);
  if (problem !== undefined) throw wrong(problem);
  switch (option.kind) {
    case "string":
      values[option.key] = text;
      return;
    case "bool":
      values[option.key] = parseBool(text, shown(option));
      return;
    case "int":
      if (!/^[+-]?[0-9]+$/.test(text))
        throw wrong(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
      values[option.key] = Number(text);
      return;
    case "list":
      values[option.key] = [...(first ? [] : (values[option.key] as string[])), text];
      return;
    case "pools":
      try {
        values[option.key] = [...(first ? [] : (values[option.key] as PoolOption[])), parsePool(text)];
      } catch (error) {
        throw wrong((error as Error).message);
      }
      return;
    case "mapmap": {
      const [driver, ...rest] = text.split("=");
      const [name, ...value] = rest;
      if (name === undefined) throw wrong("invalid mapmap format for --default-network-opt");
      const all = (first ? {} : values[option.key]) as Record<string, Record<string, string>>;
      values[option.key] = { ...all, [driver!]: { ...all[driver!], [name]: value.join("=") } };
      return;
    }
    case "map": {
      const equals = text.indexOf("=");
      const [name, value] = equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
      values[option.key] = { ...(values[option.key] as object), [name]: value };
    }
  }
}

function parseBool(text: string, flag: string): boolean {
  try {
    return parseGoBool(text);
  } catch (error) {
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "${flag}" flag: ${(error as Error).message}`,
    );
  }
}

/** The text of `--help`. */
export function usage(name: string): string {
  const base = defaults() as unknown as Record<string, unknown>;
  const rows = OPTIONS.map((option): [string, string] => {
    const value = base[option.key];
    const plain =
      value === false ||
      value === "" ||
      (typeof value === "object" && Object.keys(value as object).length === 0);
    const otherwise = plain ? "" : ` (default ${typeof value === "string" ? JSON.stringify(value) : value})`;
    return [flagColumn(option.short, option.flag, option.word), option.help + otherwise];
  });
  rows.push([
    flagColumn(undefined, "config-file", "string"),
    `Daemon configuration file (default ${JSON.stringify(DEFAULT_CONFIG_FILE)})`,
  ]);
  rows.push([flagColumn("h", "help", ""), "Print usage"]);
  rows.push([flagColumn(undefined, "validate", ""), "Validate daemon configuration and exit"]);
  rows.push([flagColumn("v", "version", ""), "Print version information and quit"]);
  rows.sort(([a], [b]) => (a.slice(6) < b.slice(6) ? -1 : 1));
  const width = Math.max(...rows.map(([flag]) => flag.length)) + 3;
  const lines = rows.map(([flag, help]) => `  ${flag.padEnd(width)}${help}`);
  return `\nUsage:  ${name} [OPTIONS]\n\nThe engine: images, containers and the API for them.\n\nOptions:\n${lines.join("\n")}\n`;
}

const flagColumn = (short: string | undefined, flag: string, word: string) =>
  `${short ? `-${short}, ` : "    "}--${flag}${word ? ` ${word}` : ""}`;
