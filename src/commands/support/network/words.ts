/** Words that the network verbs take. */
import { parseCsv } from "../container/csv.ts";
import { Failure } from "../failure.ts";
import { type Flag, list } from "../flags.ts";

/** A flag that may be given several times, and several values at once, apart by commas. */
export const strings = (name: string, usage: string): Flag =>
  list(name, undefined, usage, { type: "strings", parse: (word) => (word === "" ? [] : parseCsv(word)) });

/** `KEY=VALUE`; without a value, an empty one. */
export function pair(word: string): [string, string] {
  const at = word.indexOf("=");
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}

export const pairs = (name: string, short: string | undefined, usage: string): Flag =>
  list(name, short, usage, { type: "map", parse: pair });

/** @throws Failure */
export function driverOptions(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const [key, value] = pair(word).map((part) => part.trim()) as [string, string];
      if (!word.includes("=") || key === "") {
        throw new Failure("invalid key/value pair format in driver options");
      }
      return [key, value];
    }),
  );
}
