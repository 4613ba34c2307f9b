/** Network namespaces of containers: made by the daemon, pinned below its exec root. */
import { readdirSync } from "node:fs";
import { changeLink } from "../../../ffi/netlink/links.ts";
import { isPinned, newNamespace, pinNamespace } from "../../../ffi/netns.ts";
import type { SandboxRecord } from "../types.ts";
import { Inside } from "./inside.ts";
import { redirectNames } from "./redirect.ts";

/** The new one from within, which the caller disposes of; undefined when there was one, which is kept. */
export function createSandbox({ path, names }: SandboxRecord): Inside | undefined {
  if (isPinned(path)) {
    using there = Inside.at(path);
    if (names) redirectNames(there.namespace, names);
    return undefined;
  }
  const inside = new Inside(newNamespace(), true);
  try {
    inside.socket.request(changeLink("lo", { up: true }));
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
