/** The API's versions: which there are, and which one a request is for. */
import { EngineError } from "../errors.ts";

export const MIN_API_VERSION = "1.24";
export const MAX_API_VERSION = "1.55";

/** Compares `1.9` and `1.41` by their numbers; negative when `a` is the older one. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".");
  const right = b.split(".");
  for (let part = 0; part < Math.max(left.length, right.length); part++) {
    const difference = Number(left[part] ?? 0) - Number(right[part] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** @throws EngineError invalid, in Docker's words, for a version that is not spoken here */
export function checkVersion(version: string): void {
  if (compareVersions(version, MIN_API_VERSION) < 0) {
    throw new EngineError(
      "invalid",
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  if (compareVersions(version, MAX_API_VERSION) > 0) {
    throw new EngineError(
      "invalid",
      `client version ${version} is too new. Maximum supported API version is ${MAX_API_VERSION}`,
    );
  }
}

/** Names of these may hold slashes, which Docker does not ask its clients to escape. */
const SLASHED =
  /^\/(images|distribution|plugins)\/(.+?)(\/(?:json|history|get|push|tag|attestations|enable|disable|set|upgrade))?$/;
/** Words at the place of a name that are calls of their own. */
const CALLS = ["json", "search", "get", "load", "create", "prune", "pull", "privileges"];

/**
 * The path as the router knows it: `/v1.55/images/a%2Fb/json`, with the latest version where the client named none
 * and the name as one segment.
 */
export function routedPath(path: string): string {
  const versioned = /^\/v([0-9.]+)(\/.*)$/.exec(path);
  const version = versioned ? versioned[1]! : MAX_API_VERSION;
  let rest = versioned ? versioned[2]! : path;
  const slashed = SLASHED.exec(rest);
  if (slashed && !(slashed[3] === undefined && CALLS.includes(slashed[2]!))) {
    rest = `/${slashed[1]}/${slashed[2]!.replaceAll("/", "%2F")}${slashed[3] ?? ""}`;
  }
  return `/v${version}${rest}`;
}
