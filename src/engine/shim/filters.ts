/** The seccomp filters of a long-lived process: most containers have the same profile. */
import { compileFilter } from "../runtime/seccomp.ts";
import type { Seccomp, Spec } from "../runtime/spec.ts";

/** About as many profiles as a machine has in use; 12 KB each. */
const MAX_FILTERS = 32;

export type FilterOf = (spec: Spec) => Uint8Array | undefined;

/** Gives a specification's filter, without compiling the same profile twice. */
export function keptFilters(compile: (profile: Seccomp) => Uint8Array = compileFilter): FilterOf {
  const kept = new Map<string, Uint8Array>();
  return ({ linux }) => {
    if (!linux?.seccomp) return undefined;
    const key = JSON.stringify(linux.seccomp);
    const filter = kept.get(key) ?? compile(linux.seccomp);
    // The one that was used last is the last to go.
    kept.delete(key);
    kept.set(key, filter);
    if (kept.size > MAX_FILTERS) kept.delete(kept.keys().next().value as string);
    return filter;
  };
}
