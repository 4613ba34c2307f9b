/** `docker tag`. */
import {
  canonical,
  familiar,
  familiarName,
  parseReference,
  tagged,
  withTag,
} from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { orInvalid } from "./failure.ts";
import { find } from "./lookup.ts";
import type { ImageStore } from "./store.ts";

export function tag(
  { store, event }: { store: ImageStore; event: (action: string, id: string, name: string) => void },
  name: string,
  repository: string,
  tagName: string | undefined,
): void {
  const reference = orInvalid(() => {
    const parsed = parseReference(repository);
    return tagged(tagName ? withTag(parsed, tagName) : parsed);
  });
  if (reference.digest !== undefined) {
    throw new EngineError("invalid", "refusing to create a tag with a digest reference");
  }
  if (familiarName(reference) === "sha256") {
    throw new EngineError("invalid", "refusing to create an ambiguous tag using digest algorithm as name");
  }
  const { target } = find(store, name);
  // Names of the source, if it came with any in its descriptor, are not the new name's.
  store.names.set(canonical(reference), target);
  event("tag", target.digest, familiar(reference));
}
