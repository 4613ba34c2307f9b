/**
 * Brings an image's layers into the store and unpacks them: several at a time, each once, in whatever order they
 * arrive; only their commits follow the order of the stack.
 */
import type { RepositoryAccess } from "../../registry/client/repository.ts";
import { EngineError } from "../errors.ts";
import { chainIds, type ImageConfig, type ImageManifest, isLayer } from "./manifest.ts";
import type { ImageStore, Lease } from "./store.ts";
import type { Descriptor } from "./types.ts";
import { LIMITS, type UnpackReport } from "./unpack-job.ts";
import type { Done, Unpacker } from "./unpacker.ts";

export type LayerState =
  | { kind: "exists" }
  | { kind: "downloading"; current: number }
  | { kind: "downloaded" }
  | { kind: "extracting" }
  | { kind: "complete" };

export interface LayerRequest {
  manifest: ImageManifest;
  config: ImageConfig;
  /** Where missing blobs come from. */
  access?: RepositoryAccess;
  lease: Lease;
  signal?: AbortSignal;
  onState?: (layer: Descriptor, state: LayerState) => void;
}

export class Layers {
  readonly #store: ImageStore;
  readonly #unpacker: Unpacker;
  /** Layers that are on their way, by digest: a second one who wants it waits and looks again. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(store: ImageStore, unpacker: Unpacker) {
    this.#store = store;
    this.#unpacker = unpacker;
  }

  /** @throws EngineError; nothing of the layers that failed is left */
  async ensure(request: LayerRequest): Promise<void> {
    const { manifest, config, lease } = request;
    // Artifacts and attestations have manifests, too: only what is to be unpacked must be an image's.
    const odd = manifest.layers.find(({ mediaType }) => !isLayer(mediaType));
    if (odd !== undefined) throw new EngineError("invalid", `unsupported media type ${odd.mediaType}`);
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length) {
      throw new EngineError(
        "internal",
        `mismatched image rootfs and manifest layers: ${diffIds.length} and ${manifest.layers.length}`,
      );
    }
    const chains = chainIds(diffIds);
    lease.add(...chains, ...manifest.layers.map(({ digest }) => digest));
    // The first failure stops the others.
    const stop = new AbortController();
    const signal = request.signal ? AbortSignal.any([request.signal, stop.signal]) : stop.signal;
    let below: Promise<void> = Promise.resolve();
    const all = manifest.layers.map((layer, i) => {
      const committed = below;
      const own = this.#one({ ...request, signal }, layer, diffIds[i]!, chains[i]!, chains[i - 1], committed);
      own.catch((error) => stop.abort(error));
      below = own;
      return own;
    });
    const results = await Promise.allSettled(all);
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    if (failures.length === 0) return;
    if (request.signal?.aborted) throw new EngineError("cancelled", "context canceled");
    throw failures.find((one) => !(one instanceof EngineError && one.kind === "cancelled")) ?? failures[0];
  }

  async #one(
    request: LayerRequest,
    layer: Descriptor,
    diffId: string,
    chain: string,
    parent: string | undefined,
    below: Promise<void>,
  ): Promise<void> {
    const { content, snapshots } = this.#store;
    for (let other = this.#busy.get(layer.digest); other; other = this.#busy.get(layer.digest)) {
      await other.catch(() => {});
    }
    const hasBlob = content.has(layer.digest);
    if (hasBlob && snapshots.has(chain)) {
      request.onState?.(layer, { kind: "exists" });
      await below;
      return;
    }
    const work = this.#fetchAndUnpack(request, layer, diffId, snapshots.has(chain) ? undefined : chain);
    this.#busy.set(layer.digest, work);
    let unpacked: { id: number; done: Done } | undefined;
    try {
      unpacked = await work;
    } finally {
      this.#busy.delete(layer.digest);
    }
    if (unpacked !== undefined) {
      const { id, done } = unpacked;
      try {
        await below;
        snapshots.commit(id, chain, parent, done.size, done.implied);
      } catch (error) {
        snapshots.abandon(id);
        throw error;
      }
    } else await below;
    request.onState?.(layer, { kind: "complete" });
  }

  /** With `chain`, unpacks into a new snapshot, too. */
  async #fetchAndUnpack(
    { access, signal, onState }: LayerRequest,
    layer: Descriptor,
    diffId: string,
    chain: string | undefined,
  ): Promise<{ id: number; done: Done } | undefined> {
    const { content, snapshots } = this.#store;
    const here = content.has(layer.digest);
    if (!here && access === undefined) {
      throw new EngineError("notFound", `content digest ${layer.digest}: not found`);
    }
    const ingest = content.scrap();
    const snapshot = chain === undefined ? undefined : snapshots.begin();
    try {
      if (here) onState?.(layer, { kind: "extracting" });
      const done = await this.#unpacker.run(
        {
          source: here
            ? { kind: "blob", path: content.path(layer.digest) }
            : { kind: "remote", access: access!, ingest },
          digest: layer.digest,
          size: layer.size,
          ...(snapshot && { target: snapshot.path, diffId }),
          maxBytes: LIMITS.maxBytes(layer.size),
          maxEntries: LIMITS.maxEntries,
        },
        signal,
        (report) => this.#pass(report, layer, onState, snapshot !== undefined),
      );
      if (!here) content.commit(ingest, layer.digest);
      return snapshot && { id: snapshot.id, done };
    } catch (error) {
      if (snapshot !== undefined) snapshots.abandon(snapshot.id);
      throw error;
    }
  }

  #pass(report: UnpackReport, layer: Descriptor, onState: LayerRequest["onState"], unpacking: boolean): void {
    if (report.kind === "progress") onState?.(layer, { kind: "downloading", current: report.current });
    if (report.kind !== "downloaded") return;
    onState?.(layer, { kind: "downloaded" });
    if (unpacking) onState?.(layer, { kind: "extracting" });
  }
}
