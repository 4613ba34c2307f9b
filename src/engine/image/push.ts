/** `docker push`: what the registry lacks, layers first, the manifest last. */
import type { RegistryOptions } from "../../registry/client/endpoint.ts";
import { RegistryError } from "../../registry/client/errors.ts";
import {
  canonical,
  familiar,
  familiarName,
  isNameOnly,
  nameOf,
  parseReference,
  type Reference,
  withTag,
} from "../../registry/client/reference.ts";
import type { Repository } from "../../registry/client/repository.ts";
import { atFirst } from "../../registry/client/resolve.ts";
import { follow } from "../../registry/client/transport.ts";
import { EngineError } from "../errors.ts";
import { orInvalid, pullFailure } from "./failure.ts";
import { isLayer } from "./manifest.ts";
import { short } from "./progress.ts";
import type { ImageStore } from "./store.ts";
import type { Descriptor, ImageService, ProgressSink } from "./types.ts";

interface PushContext {
  store: ImageStore;
  registry: RegistryOptions;
  event: (action: string, id: string, name: string) => void;
}

type Request = Parameters<ImageService["push"]>[0];

export async function push(context: PushContext, request: Request, sink: ProgressSink): Promise<void> {
  const { store } = context;
  const parsed = orInvalid(() => parseReference(request.reference));
  const reference = request.tag ? orInvalid(() => withTag(parsed, request.tag!)) : parsed;
  sink({ status: `The push refers to repository [${nameOf(reference)}]` });
  const targets = isNameOnly(reference)
    ? store.names.byRepository(nameOf(reference)).map(({ name }) => parseReference(name))
    : [reference];
  if (targets.length === 0) throw missing(reference);
  for (const target of targets) {
    const image = store.names.get(canonical(target));
    if (image === undefined) throw new EngineError("notFound", `tag does not exist: ${familiar(target)}`);
    using lease = store.lease();
    const blobs = [...store.blobs(image.target)];
    lease.add(...blobs.map(({ digest }) => digest));
    try {
      await atFirst(target, context.registry, "pull,push", request.auth, (repository) =>
        pushOne(store, repository, target, image.target, blobs, sink, request.signal),
      );
    } catch (error) {
      throw pullFailure(error, target);
    }
    const size = store.content.size(image.target.digest) ?? 0;
    sink({ status: `${target.tag}: digest: ${image.target.digest} size: ${size}` });
    sink({ progressDetail: {}, aux: { Tag: target.tag, Digest: image.target.digest, Size: size } });
    context.event("push", canonical(target), familiarName(target));
  }
}

const missing = (reference: Reference): EngineError =>
  new EngineError("notFound", `An image does not exist locally with the tag: ${familiarName(reference)}`);

async function pushOne(
  store: ImageStore,
  repository: Repository,
  reference: Reference,
  target: Descriptor,
  blobs: readonly Descriptor[],
  sink: ProgressSink,
  signal: AbortSignal | undefined,
): Promise<void> {
  const documents = blobs.filter((blob) => isDocument(store, blob));
  const content = [
    ...new Map(blobs.filter((blob) => !documents.includes(blob)).map((blob) => [blob.digest, blob])).values(),
  ];
  const layers = content.filter(({ mediaType }) => isLayer(mediaType));
  for (const { digest } of layers) sink({ status: "Preparing", progressDetail: {}, id: short(digest) });
  const queue = [...content];
  const work = async () => {
    for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
      await pushBlob(store, repository, blob, isLayer(blob.mediaType) ? sink : undefined, signal);
    }
  };
  await Promise.all([work(), work(), work()]);
  // Children before what refers to them.
  for (const document of documents.reverse()) {
    const name = document.digest === target.digest ? (reference.tag ?? document.digest) : document.digest;
    await repository.request("PUT", `/v2/${repository.access.path}/manifests/${name}`, {
      headers: { "Content-Type": store.manifest(document)!.mediaType },
      body: store.content.read(document.digest) as Uint8Array<ArrayBuffer>,
      ...(signal && { signal }),
    });
  }
}

const isDocument = (store: ImageStore, blob: Descriptor): boolean =>
  /\.(index|manifest|manifest\.list)\.v[0-9]+\+json$/.test(blob.mediaType) &&
  store.manifest(blob) !== undefined;

async function pushBlob(
  store: ImageStore,
  repository: Repository,
  { digest, size }: Descriptor,
  sink: ProgressSink | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const base = `/v2/${repository.access.path}/blobs`;
  const options = signal ? { signal } : {};
  try {
    await repository.request("HEAD", `${base}/${digest}`, options);
    sink?.({ status: "Layer already exists", progressDetail: {}, id: short(digest) });
    return;
  } catch (error) {
    if (!(error instanceof RegistryError) || error.kind !== "notFound") throw error;
  }
  const started = await repository.request("POST", `${base}/uploads/`, options);
  const location = started.headers.get("location");
  if (location === null) throw new EngineError("internal", `registry gave no place to upload blob ${digest}`);
  const url = new URL(follow("Location", location, repository.access.url));
  url.searchParams.set("digest", digest);
  sink?.({ status: "Pushing", progressDetail: { current: 0, total: size }, id: short(digest) });
  await repository.request("PUT", url.href, {
    ...options,
    headers: { "Content-Type": "application/octet-stream", "Content-Length": String(size) },
    body: Bun.file(store.content.path(digest)),
  });
  sink?.({ status: "Pushed", progressDetail: {}, id: short(digest) });
}
