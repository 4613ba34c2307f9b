/**
 * `docker save`: an OCI layout with Docker's `manifest.json` beside it, so that any Docker, skopeo or containerd
 * loads it.
 * @source OCI image-spec, image-layout.md
 */
import { createReadStream } from "node:fs";
import {
  canonical,
  familiar,
  isNameOnly,
  nameOf,
  parseReference,
  type Reference,
  tagged,
} from "../../registry/client/reference.ts";
import { header, padding, trailer } from "../archive/write.ts";
import { EngineError } from "../errors.ts";
import { choosePlatform, find, isPrefixOf, noSuchImage } from "./lookup.ts";
import { digestOf, MEDIA } from "./manifest.ts";
import { isDangling, type NamedImage } from "./names.ts";
import { type Platform, parsePlatform } from "./platform.ts";
import type { ImageStore } from "./store.ts";
import type { Descriptor } from "./types.ts";

export interface SaveContext {
  store: ImageStore;
  event: (action: string, id: string, name: string) => void;
}

interface Item {
  target: Descriptor;
  image: NamedImage;
  /** Undefined when it was asked for by id. */
  reference?: Reference;
}

/** @throws EngineError before the first byte */
export function save(
  context: SaveContext,
  names: readonly string[],
  platformText?: string,
): ReadableStream<Uint8Array> {
  const { store } = context;
  const platform = platformText ? parsePlatform(platformText) : undefined;
  const items = names.flatMap((name) => itemsOf(store, name, platform));
  const lease = store.lease();
  const blobs = new Map<string, Descriptor>();
  for (const { target } of items) {
    for (const blob of store.blobs(target)) {
      lease.add(blob.digest);
      blobs.set(blob.digest, blob);
    }
    context.event("save", target.digest, target.digest);
  }
  const content = archive(store, items, [...blobs.values()]);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await content.next();
        if (done) {
          lease[Symbol.dispose]();
          controller.close();
        } else controller.enqueue(value);
      } catch (error) {
        lease[Symbol.dispose]();
        controller.error(error);
      }
    },
    async cancel() {
      lease[Symbol.dispose]();
      await content.return(undefined);
    },
  });
}

function itemsOf(store: ImageStore, text: string, platform: Platform | undefined): Item[] {
  let found: NamedImage | undefined;
  let failure: unknown;
  try {
    found = find(store, text);
  } catch (error) {
    if (error instanceof EngineError && error.kind === "invalid") throw error;
    failure = error;
  }
  let reference: Reference | undefined;
  try {
    reference = parseReference(text);
  } catch {
    // A whole id.
  }
  const byId =
    found !== undefined && (isPrefixOf(found.target.digest, text) || reference?.digest !== undefined);
  if (!byId && reference !== undefined && isNameOnly(reference)) {
    const all = store.names.byRepository(nameOf(reference));
    if (all.length === 0) throw noSuchImage(familiar(tagged(reference)));
    return all.map((image) => itemOf(store, image, text, platform, parseReference(image.name)));
  }
  if (found === undefined) throw failure;
  return [itemOf(store, found, text, platform, byId || isDangling(found) ? undefined : reference)];
}

function itemOf(
  store: ImageStore,
  image: NamedImage,
  text: string,
  platform: Platform | undefined,
  reference: Reference | undefined,
): Item {
  const target =
    platform === undefined ? image.target : choosePlatform(store, image, text, platform).descriptor;
  return { target, image, ...(reference && { reference }) };
}

async function* archive(
  store: ImageStore,
  items: readonly Item[],
  blobs: readonly Descriptor[],
): AsyncGenerator<Uint8Array> {
  yield header({ name: "blobs/", type: "dir", mode: 0o755 });
  yield header({ name: "blobs/sha256/", type: "dir", mode: 0o755 });
  for (const { digest } of [...blobs].sort((a, b) => (a.digest < b.digest ? -1 : 1))) {
    const size = store.content.size(digest) ?? 0;
    yield header({ name: blobPath(digest), type: "file", mode: 0o444, size });
    yield* createReadStream(store.content.path(digest), { highWaterMark: 1024 * 1024 });
    yield padding(size);
  }
  for (const [name, document] of [
    ["index.json", index(items)],
    ["manifest.json", dockerManifest(store, items)],
    ["oci-layout", { imageLayoutVersion: "1.0.0" }],
  ] as const) {
    const bytes = Buffer.from(JSON.stringify(document));
    yield header({ name, type: "file", mode: 0o444, size: bytes.length });
    yield bytes;
    yield padding(bytes.length);
  }
  yield trailer();
}

const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";

function index(items: readonly Item[]): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: items.map(({ target, reference }) => {
      const { [IMAGE_NAME]: _, [REF_NAME]: __, ...annotations } = target.annotations ?? {};
      if (reference !== undefined) {
        annotations[IMAGE_NAME] = canonical(reference);
        if (reference.tag !== undefined) annotations[REF_NAME] = reference.tag;
      }
      const { annotations: ___, ...rest } = target;
      return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
    }),
  };
}

/** For Docker's older loaders: one platform of each image, its names gathered. */
function dockerManifest(store: ImageStore, items: readonly Item[]): object[] {
  const entries = new Map<string, { Config: string; RepoTags: string[] | null; Layers: string[] }>();
  for (const { target, image, reference } of items) {
    const { manifest } = choosePlatform(store, { ...image, target }, image.name);
    if (manifest === undefined) continue;
    const key = digestOf(
      JSON.stringify([manifest.config.digest, manifest.layers.map(({ digest }) => digest)]),
    );
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = {
        Config: blobPath(manifest.config.digest),
        RepoTags: null,
        Layers: manifest.layers.map(({ digest }) => blobPath(digest)),
      };
      entries.set(key, entry);
    }
    if (reference !== undefined) entry.RepoTags = [...(entry.RepoTags ?? []), familiar(reference)];
  }
  return [...entries.values()];
}
