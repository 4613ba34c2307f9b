/** Which image somebody means by a name, an id, or the start of one. */
import {
  canonical,
  familiar,
  nameOf,
  parseAny,
  parseReference,
  type Reference,
  tagged,
} from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { orInvalid } from "./failure.ts";
import { isDangling, type NamedImage } from "./names.ts";
import { best, formatPlatform, HOST, type Platform } from "./platform.ts";
import type { ImageStore, PlatformImage } from "./store.ts";

export const noSuchImage = (shown: string): EngineError =>
  new EngineError("notFound", `No such image: ${shown}`);

/** Four to 64 hexadecimal digits, with or without `sha256:`; else undefined. */
export function idPrefix(text: string): string | undefined {
  const hex = text.replace(/^sha256:/, "");
  return /^[a-f0-9]{4,64}$/.test(hex) ? hex : undefined;
}

/** Whether `text` is the start of the id `digest`. */
export const isPrefixOf = (digest: string, text: string): boolean =>
  digest.startsWith(text) || digest.slice(digest.indexOf(":") + 1).startsWith(text);

/** The repository part of an image's name; undefined for one without. */
export const repositoryOf = (image: NamedImage): string | undefined =>
  isDangling(image) ? undefined : nameOf(parseReference(image.name));

/** @throws EngineError invalid, or notFound in Docker's words */
export function find(store: ImageStore, text: string): NamedImage {
  const parsed = orInvalid(() => parseAny(text));
  if ("digest" in parsed) {
    const [image] = store.names.byDigest(parsed.digest);
    if (image === undefined) throw noSuchImage(parsed.digest);
    return image;
  }
  const reference = tagged(parsed.reference);
  if (reference.digest !== undefined) {
    // The digest decides; the repository must be one that the image has.
    const same = store.names
      .byDigest(reference.digest)
      .find((image) => repositoryOf(image) === nameOf(reference));
    if (same === undefined) throw noSuchImage(familiar(reference));
    return same;
  }
  const named = store.names.get(canonical(reference));
  if (named !== undefined) return named;
  const hex = idPrefix(text);
  const images = hex === undefined ? [] : store.names.byPrefix(hex);
  if (images.length === 0) throw noSuchImage(familiar(reference));
  if (new Set(images.map(({ target }) => target.digest)).size > 1) {
    throw new EngineError("notFound", "ambiguous reference");
  }
  return images[0]!;
}

export interface Found {
  /** The image by exactly the name that was typed. */
  image?: NamedImage;
  /** Every name of the image. */
  all: NamedImage[];
  reference?: Reference;
}

/** As {@link find}, with all of the image's names. */
export function findAll(store: ImageStore, text: string): Found {
  const found = find(store, text);
  const all = store.names.byDigest(found.target.digest);
  const parsed = parseAny(text);
  if ("digest" in parsed) return { all };
  const reference = tagged(parsed.reference);
  const byName = store.names.get(canonical(reference));
  return { all, reference, ...(byName && { image: byName }) };
}

/**
 * The platform's image: the wanted one, or the host's, or whatever there is.
 * @throws EngineError notFound when the wanted one is not here
 */
export function choosePlatform(
  store: ImageStore,
  image: NamedImage,
  shown: string,
  wanted?: Platform,
): PlatformImage {
  const images = store.platforms(image.target).filter((one) => !one.attestation && one.config !== undefined);
  const platformOf = (one: PlatformImage) => one.platform;
  const chosen = best(wanted ?? HOST, images, platformOf) ?? (wanted === undefined ? images[0] : undefined);
  if (chosen !== undefined) return chosen;
  const what = wanted === undefined ? "any platform" : `the specified platform (${formatPlatform(wanted)})`;
  throw new EngineError("notFound", `image with reference ${shown} was found but does not provide ${what}`);
}
