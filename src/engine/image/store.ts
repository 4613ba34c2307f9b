/**
 * What all of the image service's verbs work on: content, names and snapshots together, with the documents parsed
 * and the rule of what may be thrown away.
 */
import type { Database } from "bun:sqlite";
import { ContentStore } from "./content.ts";
import {
  chainIds,
  type ImageConfig,
  type ImageIndex,
  type ImageManifest,
  isAttestation,
  isIndex,
  parseConfig,
  parseManifest,
} from "./manifest.ts";
import { ImageNames } from "./names.ts";
import type { Platform } from "./platform.ts";
import { SnapshotStore } from "./snapshots.ts";
import type { Descriptor } from "./types.ts";

/** An image for one platform, as far as it is here. */
export interface PlatformImage {
  descriptor: Descriptor;
  /** Undefined: the manifest is known of, but not here. */
  manifest?: ImageManifest;
  config?: ImageConfig;
  platform?: Platform;
  attestation: boolean;
}

const DEPTH_MAX = 4;
const CACHED = 512;

export class ImageStore {
  readonly content: ContentStore;
  readonly names: ImageNames;
  readonly snapshots: SnapshotStore;
  readonly #documents = new Map<string, ImageManifest | ImageIndex | ImageConfig>();
  readonly #leases = new Set<Lease>();

  constructor(db: Database, dataRoot: string) {
    this.content = new ContentStore(dataRoot);
    this.names = new ImageNames(db);
    this.snapshots = new SnapshotStore(db, dataRoot);
  }

  /** A manifest or index that is here. @throws EngineError for one that is malformed */
  manifest({ digest, mediaType }: Descriptor): ImageManifest | ImageIndex | undefined {
    return this.#document(digest, (bytes) => parseManifest(bytes, mediaType));
  }

  config(digest: string): ImageConfig | undefined {
    return this.#document(digest, parseConfig);
  }

  #document<T extends ImageManifest | ImageIndex | ImageConfig>(
    digest: string,
    parse: (bytes: Uint8Array) => T,
  ): T | undefined {
    const cached = this.#documents.get(digest);
    if (cached !== undefined) return cached as T;
    if (!this.content.has(digest)) return undefined;
    const parsed = parse(this.content.read(digest));
    if (this.#documents.size >= CACHED) this.#documents.delete(this.#documents.keys().next().value!);
    this.#documents.set(digest, parsed);
    return parsed;
  }

  /** The platforms of an image; what cannot be read is left out. */
  platforms(target: Descriptor, depth = 0): PlatformImage[] {
    const document = readable(() => this.manifest(target));
    if (document?.kind === "index") {
      if (depth >= DEPTH_MAX) return [];
      return document.manifests.flatMap((child) => this.platforms(child, depth + 1));
    }
    const config = document && readable(() => this.config(document.config.digest));
    const platform = target.platform ?? (config?.os ? config : undefined);
    // An index that is not here cannot be told from a manifest but by its type.
    if (document === undefined && isIndex(target.mediaType)) return [];
    return [
      {
        descriptor: target,
        attestation: isAttestation(target),
        ...(document && { manifest: document }),
        ...(config && { config }),
        ...(platform && { platform: pick(platform) }),
      },
    ];
  }

  /** Whether everything that a platform's image is made of is here. */
  available({ manifest, config }: PlatformImage): boolean {
    return (
      manifest !== undefined &&
      config !== undefined &&
      manifest.layers.every(({ digest }) => this.content.has(digest))
    );
  }

  unpacked({ config }: PlatformImage): boolean {
    const top = config && chainIds(config.rootfs.diff_ids).at(-1);
    return config !== undefined && (top === undefined || this.snapshots.has(top));
  }

  /** Every blob that is here and that an image is made of, itself included. */
  *blobs(target: Descriptor, depth = 0): Generator<Descriptor> {
    if (!this.content.has(target.digest)) return;
    yield target;
    const document = depth < DEPTH_MAX ? readable(() => this.manifest(target)) : undefined;
    if (document?.kind === "index") {
      for (const child of document.manifests) yield* this.blobs(child, depth + 1);
    } else if (document !== undefined) {
      for (const one of [document.config, ...document.layers]) if (this.content.has(one.digest)) yield one;
    }
  }

  /** Ids of all layers of all platforms. */
  chains(target: Descriptor): string[] {
    return this.platforms(target).flatMap(({ config }) => chainIds(config?.rootfs.diff_ids ?? []));
  }

  /** Keeps what is being made from being collected, until it is disposed of. */
  lease(): Lease {
    const lease = new Lease(() => this.#leases.delete(lease));
    this.#leases.add(lease);
    return lease;
  }

  /** Removes blobs and layers that no name, container or lease claims. @returns bytes freed */
  collect(): number {
    const keep = new Set<string>();
    for (const lease of this.#leases) for (const one of lease.claims) keep.add(one);
    for (const { target } of this.names.all()) {
      for (const { digest } of this.blobs(target)) keep.add(digest);
      for (const chain of this.chains(target)) keep.add(chain);
    }
    let freed = this.snapshots.collect(keep);
    for (const digest of this.content.digests()) {
      if (keep.has(digest)) continue;
      this.#documents.delete(digest);
      freed += this.content.remove(digest);
    }
    return freed;
  }
}

/** One image that is damaged must not hide the others. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

export class Lease {
  /** Digests of blobs and chain ids of layers. */
  readonly claims = new Set<string>();
  readonly #end: () => void;

  constructor(end: () => void) {
    this.#end = end;
  }

  add(...claims: string[]): void {
    for (const claim of claims) this.claims.add(claim);
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}

const pick = ({ architecture, os, variant }: Platform): Platform => ({
  architecture,
  os,
  ...(variant && { variant }),
});
