/** What `docker images`, `inspect` and `history` say of an image, in the shapes of API 1.55. */
import { familiar, familiarName, parseReference } from "../../registry/client/reference.ts";
import { chainIds, type ImageConfig } from "./manifest.ts";
import { isDangling, type NamedImage } from "./names.ts";
import { best, HOST, type Platform } from "./platform.ts";
import type { ImageStore, PlatformImage } from "./store.ts";
import type {
  Descriptor,
  HistoryItem,
  ImageInspect,
  ImageRunConfig,
  ImageSummary,
  ImageUser,
  ManifestSummary,
} from "./types.ts";

/** Tags and digests that an image is known by, as people type them. */
export function namesOf(images: readonly NamedImage[]): { tags: string[]; digests: string[] } {
  const tags = new Set<string>();
  const digests = new Set<string>();
  for (const image of images) {
    if (isDangling(image)) continue;
    const reference = parseReference(image.name);
    // A name that is a digest is no tag: clients show it as `<none>`.
    if (reference.digest === undefined) tags.add(familiar(reference));
    digests.add(`${familiarName(reference)}@${image.target.digest}`);
  }
  return { tags: [...tags], digests: [...digests] };
}

/** Bytes of an image's unpacked layers. */
export const unpackedSize = (store: ImageStore, config: ImageConfig | undefined): number =>
  chainIds(config?.rootfs.diff_ids ?? []).reduce((sum, chain) => sum + store.snapshots.size(chain), 0);

/** Bytes of the blobs that are here. */
export function contentSize(store: ImageStore, target: Descriptor): number {
  let sum = 0;
  for (const { size } of store.blobs(target)) sum += size;
  return sum;
}

export function manifestSummary(
  store: ImageStore,
  one: PlatformImage,
  users: readonly ImageUser[],
): ManifestSummary {
  const content = contentSize(store, one.descriptor);
  const unpacked = one.attestation ? 0 : unpackedSize(store, one.config);
  const containers = users.filter(({ manifest }) => manifest === one.descriptor.digest).map(({ id }) => id);
  const subject = one.descriptor.annotations?.["vnd.docker.reference.digest"];
  return {
    ID: one.descriptor.digest,
    Descriptor: one.descriptor,
    Available: store.available(one),
    Size: { Content: content, Total: content + unpacked },
    Kind: one.attestation ? "attestation" : "image",
    ...(one.attestation
      ? { AttestationData: { For: subject ?? "" } }
      : {
          ImageData: {
            Platform: one.platform ?? { architecture: "", os: "" },
            Size: { Unpacked: unpacked },
            Containers: containers.length > 0 ? containers : null,
          },
        }),
  };
}

const bestOf = (images: readonly PlatformImage[], wanted: Platform = HOST): PlatformImage | undefined => {
  const real = images.filter(({ attestation, config }) => !attestation && config !== undefined);
  return best(wanted, real, ({ platform }) => platform) ?? real[0];
};

const epoch = (time: string | undefined): number => {
  const milliseconds = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
};

/** `images`: the names that the filters let through, all of one target. */
export function summarize(
  store: ImageStore,
  images: readonly NamedImage[],
  users: readonly ImageUser[],
  withManifests: boolean,
): ImageSummary {
  const { target } = images[0]!;
  const platforms = store.platforms(target);
  const manifests = platforms.map((one) => manifestSummary(store, one, users));
  const config = bestOf(platforms)?.config;
  const { tags, digests } = namesOf(images);
  // An index is content, too, beside that of its platforms.
  const lone = platforms.some(({ descriptor }) => descriptor.digest === target.digest);
  const index = lone ? 0 : (store.content.size(target.digest) ?? 0);
  return {
    Containers: users.filter(({ imageId }) => imageId === target.digest).length,
    Created: epoch(config?.created),
    Id: target.digest,
    Labels: config?.config.Labels ?? {},
    ParentId: "",
    Descriptor: target,
    ...(withManifests && { Manifests: manifests }),
    RepoDigests: digests,
    RepoTags: tags,
    SharedSize: -1,
    Size: manifests.reduce((sum, { Size }) => sum + Size.Total, index),
  };
}

const CONFIG_KEYS = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "ArgsEscaped",
  "Healthcheck",
  "OnBuild",
  "Shell",
] as const satisfies readonly (keyof ImageRunConfig)[];

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  value === false ||
  (typeof value === "object" && Object.keys(value).length === 0);

/** The known fields that say something, in the API's order: Go leaves the others out. */
export const shownConfig = (config: ImageRunConfig): ImageRunConfig =>
  Object.fromEntries(CONFIG_KEYS.flatMap((key) => (isEmpty(config[key]) ? [] : [[key, config[key]]])));

export function inspection(
  store: ImageStore,
  images: readonly NamedImage[],
  chosen: PlatformImage | undefined,
  options: { manifests?: ManifestSummary[]; platform?: boolean },
): ImageInspect {
  const { target } = images[0]!;
  const config = chosen?.config;
  const { tags, digests } = namesOf(images);
  const updated = Math.max(...images.map(({ updatedAt }) => updatedAt));
  const shown = options.platform && chosen ? chosen.descriptor : target;
  const comment = config?.history.at(-1)?.comment;
  return {
    Id: shown.digest,
    RepoTags: tags,
    RepoDigests: digests,
    ...(comment && { Comment: comment }),
    ...(config?.created && { Created: config.created }),
    ...(config?.author && { Author: config.author }),
    Config: shownConfig(config?.config ?? {}),
    Architecture: config?.architecture ?? "",
    ...(config?.variant && { Variant: config.variant }),
    Os: config?.os ?? "",
    ...(config?.["os.version"] && { OsVersion: config["os.version"] }),
    Size: contentSize(store, chosen?.descriptor ?? target),
    RootFS: { Type: config?.rootfs.type ?? "layers", Layers: config?.rootfs.diff_ids ?? [] },
    Metadata: { LastTagTime: new Date(updated).toISOString() },
    Descriptor: shown,
    ...(options.manifests && { Manifests: options.manifests }),
  };
}

export function historyOf(
  store: ImageStore,
  images: readonly NamedImage[],
  config: ImageConfig,
): HistoryItem[] {
  const chains = chainIds(config.rootfs.diff_ids);
  let layer = 0;
  const items = config.history.map((step): HistoryItem => {
    const chain = step.empty_layer ? undefined : chains[layer++];
    return {
      Comment: step.comment ?? "",
      Created: epoch(step.created),
      CreatedBy: step.created_by ?? "",
      Id: "<missing>",
      Size: chain === undefined ? 0 : store.snapshots.size(chain),
      Tags: null,
    };
  });
  items.reverse();
  const newest = items[0];
  if (newest !== undefined) {
    newest.Id = images[0]!.target.digest;
    const { tags } = namesOf(images);
    newest.Tags = tags.length > 0 ? tags : null;
  }
  return items;
}
