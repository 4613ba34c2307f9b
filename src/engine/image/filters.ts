/** The filters of `docker images` and `docker image prune`. */
import {
  canonical,
  familiar,
  familiarName,
  nameOf,
  parseReference,
  tagged,
} from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { invalidFilter, validateFilters } from "../filters.ts";
import { choosePlatform, find } from "./lookup.ts";
import { isDangling, type NamedImage } from "./names.ts";
import type { ImageStore } from "./store.ts";
import type { ImageFilters } from "./types.ts";
import { parseUntil } from "./until.ts";

export const LIST_FILTERS = ["dangling", "label", "label!", "before", "since", "reference", "until"];
export const PRUNE_FILTERS = ["dangling", "label", "label!", "until"];

type Test = (image: NamedImage) => boolean;

/** A yes-or-no filter. @throws EngineError invalid for anything else, or both */
export function boolFilter(filters: ImageFilters, key: string, otherwise: boolean): boolean {
  const values = filters[key];
  if (values === undefined || values.length === 0) return otherwise;
  const yes = values.some((value) => value === "1" || value === "true");
  const no = values.some((value) => value === "0" || value === "false");
  if (yes === no) throw invalidFilter(key, values);
  return yes;
}

/** @throws EngineError for unknown keys, bad values, images to compare with that are not here */
export function imageFilter(store: ImageStore, filters: ImageFilters, accepted: readonly string[]): Test {
  validateFilters(filters, accepted);
  const tests: Test[] = [];
  for (const [key, sign] of [
    ["before", -1],
    ["since", 1],
  ] as const) {
    for (const value of filters[key] ?? []) {
      const pivot = createdAt(store, find(store, value));
      if (pivot === undefined) continue;
      tests.push((image) => {
        const created = createdAt(store, image);
        return created !== undefined && Math.sign(created - pivot) === sign;
      });
    }
  }
  for (const value of filters.until ?? []) {
    const until = parseUntil(value);
    tests.push(({ createdAt: stored }) => stored < until);
  }
  const labels = labelTest(store, filters);
  if (labels !== undefined) tests.push(labels);
  if (filters.dangling?.length) {
    const dangling = boolFilter(filters, "dangling", false);
    tests.push((image) => isDangling(image) === dangling);
  }
  if (filters.reference?.length) tests.push(referenceTest(filters.reference));
  return (image) => tests.every((test) => test(image));
}

/** When the image was built, by its own word: milliseconds. */
function createdAt(store: ImageStore, image: NamedImage): number | undefined {
  try {
    const time = Date.parse(choosePlatform(store, image, image.name).config?.created ?? "");
    return Number.isNaN(time) ? undefined : time;
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function labelTest(store: ImageStore, filters: ImageFilters): Test | undefined {
  const checks = ["label", "label!"].flatMap((filter) =>
    (filters[filter] ?? []).map((text) => {
      const equals = text.indexOf("=");
      const key = equals < 0 ? text : text.slice(0, equals);
      // `key!=value` is the other way to say no.
      const flipped = key.endsWith("!");
      return {
        key: flipped ? key.slice(0, -1) : key,
        value: equals < 0 ? undefined : text.slice(equals + 1),
        negate: flipped !== filter.endsWith("!"),
      };
    }),
  );
  if (checks.length === 0) return undefined;
  return ({ target }) =>
    store.platforms(target).some(({ attestation, config }) => {
      if (attestation || config === undefined) return false;
      const labels = config.config.Labels ?? {};
      return checks.every(({ key, value, negate }) => {
        const exists = Object.hasOwn(labels, key);
        const holds = exists && (value === undefined || labels[key] === value);
        return holds !== negate;
      });
    });
}

function referenceTest(patterns: readonly string[]): Test {
  const globs = patterns.map(globOf);
  return (image) => {
    if (isDangling(image)) return false;
    const reference = parseReference(image.name);
    const forms = [
      familiar(reference),
      familiarName(reference),
      canonical(tagged(reference)),
      nameOf(reference),
    ];
    return globs.some((glob) => forms.some((form) => glob.test(form)));
  };
}

/** Go's path.Match: `*` and `?` stop at a slash; a pattern that is malformed matches nothing. */
export function globOf(pattern: string): RegExp {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "\\") source += escaped(pattern[++i] ?? "");
    else if (char === "[") {
      const end = pattern.indexOf("]", i + 2);
      if (end < 0) return /(?!)/;
      const body = pattern.slice(i + 1, end).replace(/[\\[]/g, "\\$&");
      source += `[${body}]`;
      i = end;
    } else source += escaped(char);
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /(?!)/;
  }
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
