/**
 * `docker rmi`. A name that is not the last is taken away; the last one takes the image with it, unless a container
 * is in the way. The order of the checks, and so the words of the conflicts, are those of the containerd image store.
 */
import {
  familiar,
  isNameOnly,
  nameOf,
  parseReference,
  type Reference,
  tagged,
} from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { findAll, isPrefixOf, noSuchImage, repositoryOf } from "./lookup.ts";
import { isDangling, type NamedImage } from "./names.ts";
import { short } from "./progress.ts";
import type { ImageStore } from "./store.ts";
import type { DeletedImage, ImageUser } from "./types.ts";

export interface RemoveContext {
  store: ImageStore;
  users: () => ImageUser[];
  event: (action: string, id: string, name: string) => void;
}

const conflict = (what: string, hard: boolean, why: string): EngineError =>
  new EngineError(
    "conflict",
    `conflict: unable to delete ${what} (${hard ? "cannot" : "must"} be forced) - ${why}`,
  );

/** @throws EngineError notFound, conflict */
export function remove(context: RemoveContext, text: string, force: boolean): DeletedImage[] {
  const { store } = context;
  const { image, all, reference } = findAll(store, text);
  const id = all[0]!.target.digest;
  // Several names do not matter when all of them are meant.
  let several = !force;
  if (image === undefined) {
    const named = isPrefixOf(id, text) ? undefined : reference;
    const same = sameReferences(all, named);
    if (same.length === 0 && named !== undefined) throw noSuchImage(familiar(tagged(named)));
    if (same.length === all.length) several = false;
    if (named !== undefined && same.length !== all.length) return untag(context, same);
    return deleteAll(context, all, { force, several });
  }
  if (isPrefixOf(id, text)) return deleteAll(context, all, { force, several });
  const same = sameReferences(all, parseReference(image.name));
  if (same.length !== all.length) return untag(context, same);
  if (all.length > 1) several = false;
  const user = context.users().find(({ imageId }) => imageId === id);
  if (user !== undefined) {
    const shown = familiar(parseReference(image.name));
    if (!force) {
      throw conflict(shown, false, `container ${short(user.id)} is using its referenced image ${short(id)}`);
    }
    // The container keeps its image, which has no name any more.
    store.names.release(image);
    context.event("untag", id, shown);
    return [{ Untagged: shown }];
  }
  return deleteAll(context, all, { force, several });
}

/**
 * Names that go when `named` goes: the same repository with the same tag, and its digests when no other tag of the
 * repository is left.
 */
function sameReferences(all: readonly NamedImage[], named: Reference | undefined): NamedImage[] {
  let repository = named && nameOf(named);
  let tag = named?.tag;
  const everyTag = named !== undefined && named.tag === undefined && !isNameOnly(named);
  const same: NamedImage[] = [];
  let digests: NamedImage[] | undefined = [];
  for (const image of all) {
    if (!isDangling(image)) {
      const reference = parseReference(image.name);
      if (repository === undefined) {
        repository = nameOf(reference);
        tag = reference.tag;
      } else if (repository !== repositoryOf(image)) continue;
      else if (!everyTag) {
        if (reference.tag === undefined) {
          digests?.push(image);
          continue;
        }
        tag ??= reference.tag;
        if (tag !== reference.tag) {
          digests = undefined;
          continue;
        }
      }
    }
    same.push(image);
  }
  return [...same, ...(digests ?? [])];
}

function untag({ store, event }: RemoveContext, images: readonly NamedImage[]): DeletedImage[] {
  return images.map((image) => {
    store.names.delete(image.name);
    const shown = familiar(parseReference(image.name));
    event("untag", image.target.digest, shown);
    return { Untagged: shown };
  });
}

function deleteAll(
  context: RemoveContext,
  all: readonly NamedImage[],
  { force, several }: { force: boolean; several: boolean },
): DeletedImage[] {
  const { store, event } = context;
  const { digest } = all[0]!.target;
  const users = context.users().filter(({ imageId }) => imageId === digest);
  const running = users.find((user) => user.running);
  if (running !== undefined) {
    throw conflict(short(digest), true, `image is being used by running container ${short(running.id)}`);
  }
  if (!force && users[0] !== undefined) {
    throw conflict(short(digest), false, `image is being used by stopped container ${short(users[0].id)}`);
  }
  if (several && all.length > 1) {
    throw conflict(short(digest), false, "image is referenced in multiple repositories");
  }
  const records = untag(
    context,
    all.filter((image) => !isDangling(image)),
  );
  for (const image of all) if (isDangling(image)) store.names.delete(image.name);
  event("delete", digest, digest);
  store.collect();
  return [...records, { Deleted: digest }];
}
