/** The image service: the verbs, each in its own file, over one store. */

import { login } from "../../registry/client/login.ts";
import { canonical, familiar, parseReference } from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { ensureEmbedded } from "./embedded.ts";
import { loginFailure } from "./failure.ts";
import { imageFilter, LIST_FILTERS } from "./filters.ts";
import { importImage } from "./import.ts";
import { Layers } from "./layers.ts";
import { load } from "./load.ts";
import { choosePlatform, find } from "./lookup.ts";
import { chainIds } from "./manifest.ts";
import { isDangling, type NamedImage } from "./names.ts";
import { best, HOST, parsePlatform } from "./platform.ts";
import { PruneGuard, prune } from "./prune.ts";
import { pull, pullReference } from "./pull.ts";
import { push } from "./push.ts";
import { remove } from "./remove.ts";
import { save } from "./save.ts";
import { sharedSizes } from "./shared.ts";
import { ImageStore } from "./store.ts";
import { historyOf, inspection, manifestSummary, summarize } from "./summary.ts";
import { tag } from "./tag.ts";
import type { ImageService, ImageServiceOptions, ImageSummary, ResolvedImage } from "./types.ts";
import { Unpacker } from "./unpacker.ts";
import { diskUsage, placedUsage } from "./usage.ts";

const RESOLVED_MAX = 256;

/** The database must have {@link imageSchema}. */
export function createImageService(options: ImageServiceOptions): ImageService {
  const { db, dataRoot, users } = options;
  const store = new ImageStore(db, dataRoot);
  const unpacker = new Unpacker();
  const layers = new Layers(store, unpacker);
  const pruning = new PruneGuard();
  const registry = { insecure: options.insecureRegistries ?? [], mirrors: options.mirrors ?? [] };

  const event = (action: string, id: string, name: string): void => {
    const labels = id.startsWith("sha256:") ? labelsOf(store, id) : {};
    options.emit({ Type: "image", Action: action, Actor: { ID: id, Attributes: { ...labels, name } } });
  };
  const context = { store, layers, registry, users, event };

  /** What was resolved, and at which state of the names: every create asks. */
  const resolved = new Map<string, { revision: number; image: ResolvedImage }>();
  const resolve: ImageService["resolve"] = (text, platform = "") => {
    const key = `${platform} ${text}`;
    const { revision } = store.names;
    const known = resolved.get(key);
    if (known?.revision === revision) return known.image;
    const image = resolveAnew(text, platform);
    if (resolved.size >= RESOLVED_MAX) resolved.clear();
    resolved.set(key, { revision, image });
    return image;
  };
  const resolveAnew = (text: string, platformText: string): ResolvedImage => {
    const platform = platformText ? parsePlatform(platformText) : undefined;
    const image = find(store, text);
    const chosen = choosePlatform(store, image, text, platform);
    const { config, manifest, descriptor } = chosen;
    if (manifest === undefined || config === undefined)
      throw new EngineError("notFound", `No such image: ${text}`);
    const reference = byName(text, image);
    return {
      id: image.target.digest,
      manifest: {
        ...descriptor,
        platform: {
          architecture: config.architecture,
          os: config.os,
          ...(config.variant && { variant: config.variant }),
        },
      },
      ...(reference && { reference }),
      architecture: config.architecture,
      os: config.os,
      ...(config.variant && { variant: config.variant }),
      config: config.config,
      diffIds: config.rootfs.diff_ids,
    };
  };

  const summaries = (images: readonly NamedImage[], withManifests: boolean): ImageSummary[] => {
    const byTarget = Map.groupBy(images, ({ target }) => target.digest);
    const all = [...byTarget.values()].map((same) => summarize(store, same, users(), withManifests));
    return all.sort((a, b) => b.Created - a.Created);
  };

  return {
    resolve,
    prepare(containerId, image) {
      const top = chainIds(image.diffIds).at(-1);
      if (top !== undefined && !store.snapshots.has(top)) {
        throw new EngineError(
          "internal",
          `image ${image.id} is not unpacked for ${image.os}/${image.architecture}`,
        );
      }
      return store.snapshots.prepare(containerId, top);
    },
    claim: (containerId) => store.snapshots.claim(containerId),
    async ensureUnpacked(image: ResolvedImage) {
      const [one] = store.platforms(image.manifest);
      if (one?.manifest === undefined || one.config === undefined || store.unpacked(one)) return;
      using lease = store.lease();
      await layers.ensure({ manifest: one.manifest, config: one.config, lease });
    },
    rootfs(containerId) {
      const rootfs = store.snapshots.rootfs(containerId);
      if (rootfs === undefined)
        throw new EngineError("notFound", `no writable layer for container ${containerId}`);
      return rootfs;
    },
    clear(containerId) {
      store.snapshots.clear(containerId);
      return this.rootfs(containerId);
    },
    async discard(containerId) {
      await store.snapshots.discard(containerId);
      if (store.snapshots.orphans) store.collect();
    },
    async usage(containerId) {
      const below = store.snapshots.below(containerId);
      if (below === undefined) return { rw: 0, rootfs: 0 };
      const all = await diskUsage(below.upper);
      const placed = await placedUsage(below.upper);
      return { rw: all - placed, rootfs: all + below.lower };
    },

    login: async ({ serveraddress = "", ...credentials }, signal) => {
      try {
        await login(serveraddress, credentials, registry, signal);
      } catch (error) {
        throw loginFailure(error);
      }
    },
    pull: async (request, progress) => {
      pullReference(request);
      await pull(context, request, progress);
    },
    push: (request, progress) => push(context, request, progress),
    load: (body, { platform }, progress) => load(context, body, platform, progress),
    save: (names, platform) => save(context, names, platform),
    importImage: (body, request) => importImage(context, body, request),
    tag: (name, repo, tagName) => tag(context, name, repo, tagName),

    list({ filters = {}, sharedSize = false, manifests = false }) {
      const passes = imageFilter(store, filters, LIST_FILTERS);
      const found = summaries(store.names.all().filter(passes), manifests);
      return sharedSize ? sharedSizes(store, found) : found;
    },
    inspect(text, { platform, manifests } = {}) {
      const image = find(store, text);
      const wanted = platform ? parsePlatform(platform) : undefined;
      const platforms = store.platforms(image.target);
      const real = platforms.filter((one) => !one.attestation && one.config !== undefined);
      const chosen = wanted
        ? choosePlatform(store, image, text, wanted)
        : (best(HOST, real, (one) => one.platform) ?? real[0]);
      return inspection(store, store.names.byDigest(image.target.digest), chosen, {
        platform: wanted !== undefined,
        ...(manifests && { manifests: platforms.map((one) => manifestSummary(store, one, users())) }),
      });
    },
    history(text, platform) {
      const image = find(store, text);
      const { config } = choosePlatform(store, image, text, platform ? parsePlatform(platform) : undefined);
      return historyOf(store, store.names.byDigest(image.target.digest), config!);
    },
    remove: async (text, { force }) => remove(context, text, force),
    prune: (filters) => pruning.run(() => prune(context, filters)),
    diskUsage() {
      const images = sharedSizes(store, summaries(store.names.all(), false));
      return { LayersSize: totalSize(store), Images: images };
    },
    count: () => store.names.count(),
    ensureEmbedded: (name) => ensureEmbedded(context, name),
    async sweep(containerIds) {
      store.content.sweep();
      store.snapshots.sweep(new Set(containerIds));
      store.collect();
    },
  };
}

/** The familiar name that led to the image, or undefined when it was an id. */
function byName(text: string, image: NamedImage): string | undefined {
  if (isDangling(image)) return undefined;
  try {
    const typed = parseReference(text);
    const found = parseReference(image.name);
    if (typed.digest !== undefined) return familiar(typed);
    return canonical({ ...typed, tag: typed.tag ?? "latest" }) === image.name ? familiar(found) : undefined;
  } catch {
    return undefined;
  }
}

function labelsOf(store: ImageStore, digest: string): Record<string, string> {
  const [image] = store.names.byDigest(digest);
  if (image === undefined) return {};
  try {
    return choosePlatform(store, image, digest).config?.config.Labels ?? {};
  } catch {
    return {};
  }
}

/** Every blob and layer once. */
function totalSize(store: ImageStore): number {
  const blobs = new Map<string, number>();
  const chains = new Set<string>();
  for (const { target } of store.names.all()) {
    for (const { digest, size } of store.blobs(target)) blobs.set(digest, size);
    for (const chain of store.chains(target)) chains.add(chain);
  }
  let sum = 0;
  for (const size of blobs.values()) sum += size;
  for (const chain of chains) sum += store.snapshots.size(chain);
  return sum;
}
