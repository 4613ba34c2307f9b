/** `docker image prune`: images without a name, or with `dangling=false` all that no container uses. */
import { canonical, familiar, nameOf, parseReference, tagged } from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { boolFilter, imageFilter, PRUNE_FILTERS } from "./filters.ts";
import { isIndex, isManifest } from "./manifest.ts";
import { isDangling, type NamedImage } from "./names.ts";
import type { RemoveContext } from "./remove.ts";
import type { DeletedImage, Descriptor, ImageFilters, ImageUser } from "./types.ts";

export interface PruneReport {
  ImagesDeleted: DeletedImage[] | null;
  SpaceReclaimed: number;
}

export function prune({ store, users, event }: RemoveContext, filters: ImageFilters): PruneReport {
  const danglingOnly = boolFilter(filters, "dangling", true);
  const { dangling: _, ...others } = filters;
  const passes = imageFilter(store, others, PRUNE_FILTERS);
  const all = store.names.all();
  const names = new Map<string, number>();
  for (const { target } of all) names.set(target.digest, (names.get(target.digest) ?? 0) + 1);
  const chosen = new Map<string, NamedImage>();
  for (const image of all)
    if ((!danglingOnly || isDangling(image)) && passes(image)) chosen.set(image.name, image);

  const used = withoutUsed(chosen, users());
  for (const [name, { target }] of [...chosen]) {
    const left = names.get(target.digest)!;
    // The last name of an image that a container was made from stays.
    if (left > 1) names.set(target.digest, left - 1);
    else if (used.has(target.digest)) chosen.delete(name);
  }

  const deleted: DeletedImage[] = [];
  for (const image of chosen.values()) {
    store.names.delete(image.name);
    const shown = isDangling(image) ? image.target.digest : familiar(parseReference(image.name));
    event("untag", image.target.digest, shown);
    deleted.push({ Untagged: shown });
    if (store.names.byDigest(image.target.digest).length > 0) continue;
    for (const { digest } of documents(store.blobs(image.target))) deleted.push({ Deleted: digest });
    event("delete", image.target.digest, shown);
  }
  const freed = chosen.size > 0 ? store.collect() : 0;
  return { ImagesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: freed };
}

/** Indexes and manifests, by their own word. */
function* documents(blobs: Iterable<Descriptor>): Generator<Descriptor> {
  for (const blob of blobs) if (isIndex(blob.mediaType) || isManifest(blob.mediaType)) yield blob;
}

/** Takes out the names that containers were created by; returns the images that were asked for by digest. */
function withoutUsed(chosen: Map<string, NamedImage>, users: readonly ImageUser[]): Set<string> {
  const used = new Set<string>();
  for (const { imageId, reference } of users) {
    chosen.delete(`dangling@${imageId}`);
    const byId = imageId.startsWith(`sha256:${reference.replace(/^sha256:/, "")}`);
    if (byId || reference.endsWith(`@${imageId}`)) used.add(imageId);
    try {
      const parsed = tagged(parseReference(reference));
      chosen.delete(canonical(parsed));
      if (parsed.tag !== undefined && parsed.digest !== undefined)
        chosen.delete(`${nameOf(parsed)}:${parsed.tag}`);
    } catch {
      // An id.
    }
  }
  return used;
}

/** One prune at a time, as Docker has it. */
export class PruneGuard {
  #running = false;

  async run<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#running) throw new EngineError("conflict", "a prune operation is already running");
    this.#running = true;
    try {
      return await work();
    } finally {
      this.#running = false;
    }
  }
}
