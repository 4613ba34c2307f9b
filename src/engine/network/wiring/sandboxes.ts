/** Network namespaces of containers: made by the daemon, pinned below its exec root. */
import { readdirSync } from "node:fs";
import { isPinned, pinNamespace } from "../../../ffi/netns.ts";
import type { SandboxRecord } from "../types.ts";
import { Inside } from "./inside.ts";
import { redirectNames } from "./redirect.ts";

/**
 * The new one from within, which the caller disposes of; undefined when there was one, which is kept. `fresh` gives a
 * namespace with `lo` up that is nobody's.
 */
export function createSandbox({ path, names }: SandboxRecord, fresh: () => Inside): Inside | undefined {
  if (isPinned(path)) {
    using there = Inside.at(path);
    if (names) redirectNames(there.namespace, names);
    return undefined;
  }
  const inside = fresh();
  try {
    if (names) redirectNames(inside.namespace, names);
    // Last, so that a failure leaves nothing.
    pinNamespace(inside.namespace, path);
    return inside;
  } catch (error) {
    inside[Symbol.dispose]();
    throw error;
  }
}

/** Paths in the folder. */
export function listSandboxes(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
