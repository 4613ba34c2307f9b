/**
 * `docker load`: an OCI layout or what `docker save` wrote, of any age. The archive is spread into scrap files first,
 * each hashed as it comes; what it claims to be is believed only where a digest says so.
 */
import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import {
  canonical,
  familiar,
  parseReference,
  type Reference,
  tagged,
  withDigest,
} from "../../registry/client/reference.ts";
import { clean, parentOf } from "../archive/directories.ts";
import { TarError } from "../archive/entry.ts";
import { TarReader } from "../archive/read.ts";
import { EngineError } from "../errors.ts";
import { decodeParsed } from "../json/decode.ts";
import { list, type Schema, struct, text } from "../json/schema.ts";
import { syntaxError } from "../json/syntax.ts";
import type { Layers } from "./layers.ts";
import { descriptor, MEDIA } from "./manifest.ts";
import { best, formatPlatform, type Platform, parsePlatform } from "./platform.ts";
import type { ImageStore, Lease } from "./store.ts";
import type { Descriptor, ProgressSink } from "./types.ts";
import { decompressed } from "./unpack.ts";

export interface LoadContext {
  store: ImageStore;
  layers: Layers;
  event: (action: string, id: string, name: string) => void;
}

const ENTRIES_MAX = 100_000;
const DOCUMENT_MAX = 8 * 1024 * 1024;

export async function load(
  context: LoadContext,
  body: AsyncIterable<Uint8Array>,
  platformText: string | undefined,
  sink: ProgressSink,
  signal?: AbortSignal,
): Promise<void> {
  const { store } = context;
  const platform = platformText ? parsePlatform(platformText) : undefined;
  const lease = store.lease();
  const files = new Archive(store, lease);
  try {
    await files.read(body);
    const images = files.has("index.json") ? ociImages(files) : dockerImages(files, store, lease);
    if (images.length === 0) throw new EngineError("invalid", "archive contains no images");
    for (const { target, reference } of images) {
      await unpackAll(context, lease, target, platform, signal);
      if (reference === undefined) store.names.addDangling(target);
      else store.names.set(canonical(reference), target);
      const what =
        reference === undefined
          ? `Loaded image ID: ${target.digest}`
          : `Loaded image: ${familiar(reference)}`;
      sink({ stream: `${what}\n` });
      context.event("load", target.digest, target.digest);
    }
  } catch (error) {
    // The client may have to be told in a stream that is 200 OK already.
    if (error instanceof TarError) throw new EngineError("internal", `archive/tar: ${error.message}`);
    throw error;
  } finally {
    await files.dispose();
    lease[Symbol.dispose]();
    store.collect();
  }
}

interface Loaded {
  target: Descriptor;
  reference?: Reference;
}

/** Unpacks every platform that is whole, or the one asked for: a container of any may be made at once later. */
async function unpackAll(
  { store, layers }: LoadContext,
  lease: Lease,
  target: Descriptor,
  wanted: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  // What is malformed says how, here; later it would only be left out.
  const document = store.manifest(target);
  if (document?.kind === "manifest") store.config(document.config.digest);
  const complete = store.platforms(target).filter((one) => !one.attestation && store.available(one));
  const one = wanted && best(wanted, complete, ({ platform }) => platform);
  if (wanted !== undefined && one === undefined) {
    const words = `image was loaded, but doesn't provide the requested platform ([${formatPlatform(wanted)}])`;
    throw new EngineError("notFound", words);
  }
  if (complete.length === 0) {
    throw new EngineError("internal", `content of image ${target.digest} is missing from the archive`);
  }
  for (const { manifest, config } of one ? [one] : complete) {
    await layers.ensure({ manifest: manifest!, config: config!, lease, ...(signal && { signal }) });
  }
}

interface File {
  path: string;
  digest: string;
}

/** The files of an archive by cleaned name; blobs go to the content store, the rest is scrap. */
class Archive {
  readonly #store: ImageStore;
  readonly #lease: Lease;
  readonly #files = new Map<string, File>();
  readonly #links = new Map<string, string>();

  constructor(store: ImageStore, lease: Lease) {
    this.#store = store;
    this.#lease = lease;
  }

  async read(body: AsyncIterable<Uint8Array>): Promise<void> {
    const tar = new TarReader(decompressed(body));
    let entries = 0;
    for (let entry = await tar.next(); entry !== undefined; entry = await tar.next()) {
      if (++entries > ENTRIES_MAX) throw new TarError(`more than ${ENTRIES_MAX} entries`);
      const name = clean(entry.name);
      // Old archives name a layer twice by a link.
      if (entry.type === "symlink") this.#links.set(name, clean(`${parentOf(name)}/${entry.linkname}`));
      else if (entry.type === "link") this.#links.set(name, clean(entry.linkname));
      else if (entry.type === "file") await this.#keep(name, tar);
    }
    // A client that is still sending gets its answer only when all is read.
    await tar.drain();
  }

  async #keep(name: string, tar: TarReader): Promise<void> {
    const path = this.#store.content.scrap();
    const hash = new Bun.CryptoHasher("sha256");
    const fd = openSync(path, "wx", 0o600);
    try {
      for (let chunk = await tar.read(); chunk !== undefined; chunk = await tar.read()) {
        hash.update(chunk);
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      }
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    const file = { path, digest: `sha256:${hash.digest("hex")}` };
    const before = this.#files.get(name);
    this.#files.set(name, file);
    if (before !== undefined) await this.#discard(before);
    const blob = /^blobs\/sha256\/(.*)$/.exec(name);
    if (blob === null) return;
    if (`sha256:${blob[1]}` !== file.digest) {
      throw new EngineError("internal", `blob ${JSON.stringify(name)} has digest ${file.digest}`);
    }
    this.commit(name);
  }

  has(name: string): boolean {
    return this.#resolve(name) !== undefined;
  }

  #resolve(name: string): File | undefined {
    let at = clean(name);
    for (let hops = 0; hops < 10; hops++) {
      const file = this.#files.get(at);
      if (file !== undefined) return file;
      const next = this.#links.get(at);
      if (next === undefined) return undefined;
      at = next;
    }
    return undefined;
  }

  /** Makes a file of the archive a blob of the store. @throws EngineError when it is missing */
  commit(name: string): { digest: string; size: number; gzip: boolean } {
    const file = this.#resolve(name);
    if (file === undefined)
      throw new EngineError("internal", `${JSON.stringify(name)} is missing from the archive`);
    const { content } = this.#store;
    this.#lease.add(file.digest);
    if (!content.has(file.digest)) {
      content.commit(file.path, file.digest);
      file.path = content.path(file.digest);
    }
    const fd = openSync(content.path(file.digest), "r");
    const head = Buffer.alloc(2);
    try {
      readSync(fd, head, 0, 2, 0);
    } finally {
      closeSync(fd);
    }
    return {
      digest: file.digest,
      size: content.size(file.digest)!,
      gzip: head[0] === 0x1f && head[1] === 0x8b,
    };
  }

  json(name: string): unknown {
    const file = this.#resolve(name);
    if (file === undefined)
      throw new EngineError("internal", `${JSON.stringify(name)} is missing from the archive`);
    if (statSync(file.path).size > DOCUMENT_MAX) throw new EngineError("internal", `${name} is too large`);
    const text = readFileSync(file.path, "utf8");
    try {
      return JSON.parse(text);
    } catch {
      throw new EngineError("internal", `untar manifest ${JSON.stringify(name)}: ${syntaxError(text)}`);
    }
  }

  async dispose(): Promise<void> {
    for (const file of this.#files.values()) await this.#discard(file);
  }

  /** What became a blob is the store's. */
  async #discard({ path, digest }: File): Promise<void> {
    if (path !== this.#store.content.path(digest)) await rm(path, { force: true });
  }
}

function ociImages(files: Archive): Loaded[] {
  const index = files.json("index.json") as { manifests?: unknown };
  if (!Array.isArray(index.manifests)) throw new EngineError("internal", "index.json has no manifests");
  return index.manifests.map((one) => {
    const target = descriptor(one, "index.json");
    const name =
      target.annotations?.["io.containerd.image.name"] ??
      target.annotations?.["org.opencontainers.image.ref.name"];
    return { target, ...optionalReference(name) };
  });
}

/** A name that is none is left out: the image gets none. */
function optionalReference(name: string | undefined): { reference?: Reference } {
  if (!name) return {};
  try {
    return { reference: tagged(parseReference(name)) };
  } catch {
    return {};
  }
}

/** `docker save` before OCI layouts: a config and layers by file name. The manifest that pulls would have had is made. */
function dockerImages(files: Archive, store: ImageStore, lease: Lease): Loaded[] {
  if (!files.has("manifest.json")) {
    throw new EngineError("invalid", "unrecognized image format");
  }
  return archived(files).flatMap((item): Loaded[] => {
    const config = files.commit(item.Config ?? "");
    const layers = (item.Layers ?? []).map((name) => files.commit(name));
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA.dockerManifest,
        config: { mediaType: MEDIA.dockerConfig, digest: config.digest, size: config.size },
        layers: layers.map(({ digest, size, gzip }) => ({
          mediaType: gzip ? `${MEDIA.dockerLayer}.gzip` : MEDIA.dockerLayer,
          digest,
          size,
        })),
      }),
    );
    const digest = store.content.add(bytes);
    lease.add(digest);
    const target = { mediaType: MEDIA.dockerManifest, digest, size: bytes.length };
    if (!item.RepoTags?.length) return [{ target }];
    return item.RepoTags.map((tag) => {
      const reference = archivedReference(tag);
      const annotations = {
        "io.containerd.image.name": canonical(reference),
        "org.opencontainers.image.ref.name": reference.tag ?? canonical(reference),
      };
      return { target: { ...target, annotations }, reference };
    });
  });
}

interface ArchivedImage {
  Config?: string;
  RepoTags?: string[] | null;
  Layers?: string[] | null;
}

const MANIFEST_JSON: Schema = list(
  struct("", { Config: text, RepoTags: list(text), Layers: list(text) }),
  "[]struct { Config string; RepoTags []string; Layers []string }",
);

function archived(files: Archive): ArchivedImage[] {
  const value = files.json("manifest.json");
  try {
    return decodeParsed<ArchivedImage[] | null>(value, MANIFEST_JSON) ?? [];
  } catch (error) {
    throw new EngineError("internal", `untar manifest "manifest.json": ${(error as Error).message}`);
  }
}

/** A tag beside a digest says nothing: the digest decides. @throws EngineError */
function archivedReference(tag: string): Reference {
  try {
    const reference = tagged(parseReference(tag));
    return reference.digest === undefined ? reference : withDigest(reference, reference.digest);
  } catch (error) {
    throw new EngineError(
      "internal",
      `normalize image ref ${JSON.stringify(tag)}: ${(error as Error).message}`,
    );
  }
}
