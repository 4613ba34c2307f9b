/**
 * Docker's filter argument, decoded: `{"label": ["a=b", "c"]}`. Several values of one key are alternatives
 * (labels excepted, which must all match); several keys must all match.
 */
import { EngineError } from "./errors.ts";

export type Filters = Record<string, string[]>;

/** @throws EngineError invalid `invalid filter 'x'` for a key that is not among `accepted`. */
export function validateFilters(filters: Filters, accepted: readonly string[]): void {
  for (const key of Object.keys(filters)) if (!accepted.includes(key)) throw invalidFilter(key);
}

export function invalidFilter(key?: string, values?: readonly string[]): EngineError {
  if (key === undefined) return new EngineError("invalid", "invalid filter");
  return new EngineError("invalid", `invalid filter '${key}${values ? `=[${values.join(" ")}]` : ""}'`);
}

export function hasFilter(filters: Filters, key: string): boolean {
  return Object.hasOwn(filters, key);
}

/** True when nothing is asked of `key`, or one of the values is `source`. */
export function matchExact(filters: Filters, key: string, source: string): boolean {
  const values = filters[key];
  return !values?.length || values.includes(source);
}

/** As {@link matchExact}, but a value may also be a prefix of `source`. */
export function matchPrefix(filters: Filters, key: string, source: string): boolean {
  const values = filters[key];
  return !values?.length || values.some((value) => source.startsWith(value));
}

/** As {@link matchExact}, but a value may also be a regular expression found anywhere in `source`. */
export function matchPattern(filters: Filters, key: string, source: string): boolean {
  if (matchExact(filters, key, source)) return true;
  return filters[key]!.some((value) => {
    try {
      return new RegExp(value).test(source);
    } catch {
      return false;
    }
  });
}

/** Every value of `key`, each `name` or `name=value`, holds in `sources`. */
export function matchPairs(
  filters: Filters,
  key: string,
  sources: Readonly<Record<string, string>> | null | undefined,
): boolean {
  const values = filters[key];
  if (!values?.length) return true;
  return values.every((pair) => {
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (!sources || !Object.hasOwn(sources, name)) return false;
    return equals < 0 || sources[name] === pair.slice(equals + 1);
  });
}

/** @throws EngineError invalid when the values are neither true (`1`, `true`) nor false (`0`, `false`), or both. */
export function booleanFilter(filters: Filters, key: string, otherwise: boolean): boolean {
  if (!hasFilter(filters, key)) return otherwise;
  const values = filters[key]!;
  const no = values.includes("0") || values.includes("false");
  const yes = values.includes("1") || values.includes("true");
  if (no === yes) throw invalidFilter(key, values);
  return yes;
}
