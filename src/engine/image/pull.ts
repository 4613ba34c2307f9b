/** `docker pull`: resolve, fetch what is missing, unpack, and only then move the name. */
import type { RegistryOptions } from "../../registry/client/endpoint.ts";
import { RegistryError } from "../../registry/client/errors.ts";
import {
  canonical,
  familiar,
  familiarName,
  isDigest,
  isNameOnly,
  parseReference,
  type Reference,
  tagged,
  withDigest,
  withTag,
} from "../../registry/client/reference.ts";
import type { Repository } from "../../registry/client/repository.ts";
import { atFirst, resolve } from "../../registry/client/resolve.ts";
import { EngineError } from "../errors.ts";
import { ensureEmbedded, isEmbedded } from "./embedded.ts";
import { orInvalid, pullFailure } from "./failure.ts";
import type { Layers } from "./layers.ts";
import { type ImageIndex, type ImageManifest, isAttestation, isManifest } from "./manifest.ts";
import { best, formatPlatform, HOST, type Platform, parsePlatform, rank } from "./platform.ts";
import { PullProgress } from "./progress.ts";
import type { ImageStore, Lease } from "./store.ts";
import type { Descriptor, ImageService, ProgressSink, RegistryAuth } from "./types.ts";

export interface PullContext {
  store: ImageStore;
  layers: Layers;
  registry: RegistryOptions;
  event: (action: string, id: string, name: string) => void;
}

type Request = Parameters<ImageService["pull"]>[0];

/** `tag` of the request may be a digest, and wins over what the reference says. */
export function pullReference({ reference, tag }: Pick<Request, "reference" | "tag">): Reference {
  return orInvalid(() => {
    // `docker pull -a` of old sent a name with a colon and nothing after it.
    const parsed = parseReference(reference.replace(/:$/, ""));
    if (!tag) return parsed;
    return isDigest(tag) ? withDigest(parsed, tag) : withTag(parsed, tag);
  });
}

export async function pull(context: PullContext, request: Request, sink: ProgressSink): Promise<void> {
  const reference = pullReference(request);
  if (reference.path === "scratch" || canonical(reference).startsWith("docker.io/library/scratch")) {
    throw new EngineError("forbidden", "'scratch' is a reserved name");
  }
  const platform = request.platform ? parsePlatform(request.platform) : undefined;
  if (platform === undefined && isEmbedded(canonical(reference))) {
    await pullEmbedded(context, reference, sink);
    return;
  }
  const one = (target: Reference) => pullOne(context, target, platform, request.auth, request.signal, sink);
  if (!isNameOnly(reference)) return one(reference);
  let tags: string[];
  try {
    tags = await atFirst(reference, context.registry, "pull", request.auth, (repository) =>
      repository.tags(request.signal),
    );
  } catch (error) {
    throw pullFailure(error, reference);
  }
  for (const tag of tags) await one(withTag(reference, tag));
}

async function pullOne(
  context: PullContext,
  reference: Reference,
  platform: Platform | undefined,
  auth: RegistryAuth | undefined,
  signal: AbortSignal | undefined,
  sink: ProgressSink,
): Promise<void> {
  const { store } = context;
  using lease = store.lease();
  const wanted = platform ?? HOST;
  try {
    const { repository, ...target } = await resolve(reference, context.registry, auth, signal);
    lease.add(target.digest);
    const from = reference.tag ?? canonical(reference);
    let said = false;
    const sayFrom = () => {
      if (!said) sink({ status: `Pulling from ${reference.path}`, id: from });
      said = true;
    };
    const document = await fetchManifest(store, lease, repository, target, signal);
    const found = await choose(store, lease, repository, document, target, wanted, signal);
    sayFrom();
    const config = await fetchConfig(store, lease, repository, found.manifest, signal);
    const offered = {
      architecture: config.architecture,
      os: config.os,
      ...(config.variant && { variant: config.variant }),
    };
    if (platform !== undefined && rank(platform, offered) === undefined) {
      throw noMatch(platform);
    }
    const progress = new PullProgress(sink, found.manifest.layers);
    const image = { descriptor: found.descriptor, manifest: found.manifest, config, attestation: false };
    if (!store.available(image) || !store.unpacked(image)) {
      progress.start();
      await context.layers.ensure({
        manifest: found.manifest,
        config,
        access: repository.access,
        lease,
        ...(signal && { signal }),
        onState: (layer, state) => progress.report(layer, state),
      });
    }
    const size = store.content.size(target.digest) ?? target.size;
    const before = store.names.get(canonical(named(reference)))?.target.digest;
    finish(context, reference, { mediaType: document.mediaType, digest: target.digest, size }, before, sink);
  } catch (error) {
    lease[Symbol.dispose]();
    store.collect();
    throw pullFailure(error, reference);
  }
}

/** The binary is the registry of its own image, so that it runs where there is no network. */
async function pullEmbedded(context: PullContext, reference: Reference, sink: ProgressSink): Promise<void> {
  const name = canonical(tagged(reference));
  const before = context.store.names.get(name)?.target.digest;
  await ensureEmbedded(context, name);
  sink({ status: `Pulling from ${reference.path}`, id: reference.tag ?? "latest" });
  finish(context, tagged(reference), context.store.names.get(name)!.target, before, sink);
}

/** A tag beside a digest says nothing: the digest decides. */
const named = (reference: Reference): Reference =>
  reference.digest === undefined ? reference : withDigest(reference, reference.digest);

/** Moves the name; `before` is what it pointed to. */
function finish(
  { store, event }: PullContext,
  reference: Reference,
  target: Descriptor,
  before: string | undefined,
  sink: ProgressSink,
): void {
  store.names.set(canonical(named(reference)), target);
  sink({ status: `Digest: ${target.digest}` });
  const what = before === target.digest ? "Image is up to date" : "Downloaded newer image";
  sink({ status: `Status: ${what} for ${familiar(reference)}` });
  event("pull", familiar(reference), familiarName(reference));
}

async function fetchManifest(
  store: ImageStore,
  lease: Lease,
  repository: Repository,
  target: Descriptor,
  signal: AbortSignal | undefined,
): Promise<ImageManifest | ImageIndex> {
  lease.add(target.digest);
  const here = store.manifest(target);
  if (here !== undefined) return here;
  const { bytes } = await repository.manifest(target.digest, signal);
  store.content.add(bytes);
  return store.manifest(target)!;
}

const noMatch = (wanted: Platform): EngineError =>
  new EngineError(
    "notFound",
    `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries: no match for platform in manifest: not found`,
  );

/** The manifest for the wanted platform, by way of an index if the target is one. */
async function choose(
  store: ImageStore,
  lease: Lease,
  repository: Repository,
  document: ImageManifest | ImageIndex,
  target: Descriptor,
  wanted: Platform,
  signal: AbortSignal | undefined,
): Promise<{ descriptor: Descriptor; manifest: ImageManifest }> {
  if (document.kind === "manifest") return { descriptor: target, manifest: document };
  const images = document.manifests.filter((one) => !isAttestation(one));
  // Entries without a platform say it in their config only; a lone one is meant.
  const lone = images.length === 1 && images[0]!.platform === undefined ? images[0] : undefined;
  const chosen = best(wanted, images, ({ platform }) => platform) ?? lone;
  if (chosen === undefined) {
    throw noMatch(wanted);
  }
  const inner = await fetchManifest(store, lease, repository, chosen, signal);
  if (inner.kind === "index") {
    if (!isManifest(chosen.mediaType)) return choose(store, lease, repository, inner, chosen, wanted, signal);
    throw new EngineError("internal", `manifest ${chosen.digest} is an index`);
  }
  return { descriptor: chosen, manifest: inner };
}

const CONFIG_MAX = 8 * 1024 * 1024;

async function fetchConfig(
  store: ImageStore,
  lease: Lease,
  repository: Repository,
  { config }: ImageManifest,
  signal: AbortSignal | undefined,
) {
  lease.add(config.digest);
  if (!store.content.has(config.digest)) {
    if (config.size > CONFIG_MAX)
      throw new EngineError("internal", `image config of ${config.size} bytes is too large`);
    try {
      store.content.add(await repository.smallBlob(config.digest, config.size, signal));
    } catch (error) {
      // The manifest is there: it is not what was not found.
      if (!(error instanceof RegistryError) || error.kind !== "notFound") throw error;
      const words = `error pulling image configuration: ${error.message}`;
      throw new EngineError("notFound", words, { cause: error });
    }
  }
  return store.config(config.digest)!;
}
