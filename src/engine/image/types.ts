/** What the rest of the engine sees of images. */
import type { Rootfs } from "../shim/types.ts";

/** The image's `config` object (OCI image-spec, config.md), as it came. */
export interface ImageRunConfig {
  User?: string;
  ExposedPorts?: Record<string, object>;
  Env?: string[] | null;
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, object> | null;
  WorkingDir?: string;
  Labels?: Record<string, string> | null;
  StopSignal?: string;
  StopTimeout?: number;
  ArgsEscaped?: boolean;
  Healthcheck?: {
    Test?: string[];
    Interval?: number;
    Timeout?: number;
    StartPeriod?: number;
    StartInterval?: number;
    Retries?: number;
  };
  OnBuild?: string[] | null;
  Shell?: string[];
}

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  platform?: { architecture: string; os: string; variant?: string; "os.version"?: string };
}

/** An image for one platform, resolved from a name, id or digest. */
export interface ResolvedImage {
  /** `sha256:…` of the target (index or manifest), as Docker 29 shows it. */
  id: string;
  /** The platform's manifest. */
  manifest: Descriptor;
  /** The reference it was found by, familiar form (`busybox:latest`), or undefined when found by id. */
  reference?: string;
  architecture: string;
  os: string;
  variant?: string;
  config: ImageRunConfig;
  /** Uncompressed layer digests, base first. */
  diffIds: string[];
}

/** The part of the image service that the container service depends on. */
export interface ContainerImages {
  /** @throws EngineError notFound `No such image: nosuch:latest` */
  resolve(reference: string, platform?: string): ResolvedImage;
  /** Makes a container's writable layer on top of the image. Idempotent. It is scrap until it is claimed. */
  prepare(containerId: string, image: ResolvedImage): Rootfs;
  /** Writes that the layer is the container's, inside the caller's transaction: so it stays, and what it stands on. */
  claim(containerId: string): void;
  /** The rootfs of a prepared container. */
  rootfs(containerId: string): Rootfs;
  /** Makes the writable layer what it was when it was prepared. */
  clear(containerId: string): Rootfs;
  /** Removes the writable layer. Idempotent. */
  discard(containerId: string): Promise<void>;
  /** Bytes: of the writable layer, and of all layers together (`ps -s`, `inspect -s`). */
  usage(containerId: string): Promise<{ rw: number; rootfs: number }>;
}

/** Docker's filter argument, decoded by the route: `{"label": ["a=b"]}`. */
export type ImageFilters = Record<string, string[]>;

/** The decoded `X-Registry-Auth` header (Engine API, section Authentication). */
export interface RegistryAuth {
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
  serveraddress?: string;
}

/** One line of Docker's JSON stream: each is written as JSON followed by CRLF. */
export interface ProgressMessage {
  stream?: string;
  status?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number; units?: string; hidecounts?: boolean };
  /** The bar as text, which clients older than API 1.24's successors print as it is. */
  progress?: string;
  error?: string;
  errorDetail?: { code?: number; message: string };
  aux?: object;
}

export type ProgressSink = (message: ProgressMessage) => void;

export interface ManifestSummary {
  ID: string;
  Descriptor: Descriptor;
  Available: boolean;
  Size: { Content: number; Total: number };
  Kind: "image" | "attestation" | "unknown";
  ImageData?: {
    Platform: { architecture: string; os: string; variant?: string };
    Size: { Unpacked: number };
    Containers: string[] | null;
  };
  AttestationData?: { For: string };
}

export interface ImageSummary {
  Containers: number;
  /** Seconds since the epoch. */
  Created: number;
  Id: string;
  Labels: Record<string, string> | null;
  ParentId: string;
  Descriptor: Descriptor;
  Manifests?: ManifestSummary[];
  RepoDigests: string[];
  RepoTags: string[];
  /** Bytes; -1 when it was not asked for. */
  SharedSize: number;
  Size: number;
}

export interface ImageInspect {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Comment?: string;
  Created?: string;
  Author?: string;
  Config: ImageRunConfig;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  RootFS: { Type: string; Layers: string[] };
  Metadata: { LastTagTime: string };
  Descriptor: Descriptor;
  Manifests?: ManifestSummary[];
}

export interface HistoryItem {
  Id: string;
  /** Seconds since the epoch. */
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

export type DeletedImage = { Untagged: string } | { Deleted: string };

/** A container as far as removing, pruning and listing images is concerned. */
export interface ImageUser {
  id: string;
  /** `ResolvedImage.id` of its image. */
  imageId: string;
  /** Digest of the platform's manifest. */
  manifest?: string;
  /** The words the user asked by (`Config.Image`). */
  reference: string;
  running: boolean;
}

/** What the API's routes call. Names are what the user typed: reference, id or id prefix. */
export interface ImageService extends ContainerImages {
  /** Before `prepare` of a platform that was not unpacked when it came: loaded beside the host's own, say. */
  ensureUnpacked(image: ResolvedImage): Promise<void>;
  /**
   * Pulls into the store and unpacks. `tag` may be a digest; a bare `reference` without `tag` pulls all tags.
   * Throws before the first progress message when the request itself is wrong; afterwards a failure is thrown
   * too, and the route writes it as the stream's last message.
   */
  pull(
    request: {
      reference: string;
      tag?: string;
      platform?: string;
      auth?: RegistryAuth;
      signal?: AbortSignal;
    },
    progress: ProgressSink,
  ): Promise<void>;
  push(
    request: { reference: string; tag?: string; auth?: RegistryAuth; signal?: AbortSignal },
    progress: ProgressSink,
  ): Promise<void>;
  /** Asks a registry (`serveraddress`, or Docker Hub) whether it takes this. @throws EngineError unauthorized */
  login(auth: RegistryAuth, signal?: AbortSignal): Promise<void>;
  /** Reads a `docker save` or OCI archive (plain, gzip or zstd). */
  load(
    body: ReadableStream<Uint8Array>,
    options: { quiet: boolean; platform?: string },
    progress: ProgressSink,
  ): Promise<void>;
  /** An archive of the named images; a repository without a tag means all of its tags. */
  save(names: string[], platform?: string): ReadableStream<Uint8Array>;
  /** Makes an image of one layer from a tar archive; returns its id. */
  importImage(
    body: ReadableStream<Uint8Array>,
    options: { repo?: string; tag?: string; message?: string; changes?: string[]; platform?: string },
  ): Promise<string>;
  tag(name: string, repo: string, tag?: string): void;
  list(options: {
    all?: boolean;
    filters?: ImageFilters;
    sharedSize?: boolean;
    manifests?: boolean;
  }): ImageSummary[];
  inspect(name: string, options?: { platform?: string; manifests?: boolean }): ImageInspect;
  history(name: string, platform?: string): HistoryItem[];
  remove(name: string, options: { force: boolean; prune: boolean }): Promise<DeletedImage[]>;
  prune(filters: ImageFilters): Promise<{ ImagesDeleted: DeletedImage[] | null; SpaceReclaimed: number }>;
  /** For `system df`. */
  diskUsage(): { LayersSize: number; Images: ImageSummary[] };
  /** For `info`. */
  count(): number;
  /** Makes the image inside the binary (`hello`) present; false when no such image is embedded. */
  ensureEmbedded(name: string): Promise<boolean>;
  /** At start-up: removes whatever a crash left and no row claims. */
  sweep(containerIds: Iterable<string>): Promise<void>;
}

export interface ImageServiceOptions {
  db: import("bun:sqlite").Database;
  /** The daemon's data root: `content/` and `snapshots/` live there. */
  dataRoot: string;
  /** Hosts or CIDRs that may be spoken to over plain HTTP or with any certificate (`--insecure-registry`). */
  insecureRegistries?: readonly string[];
  /** Base URLs asked first for images of Docker Hub (`--registry-mirror`). */
  mirrors?: readonly string[];
  /** Emits `image` events. */
  emit: (event: {
    Type: "image";
    Action: string;
    Actor: { ID: string; Attributes: Record<string, string> };
  }) => void;
  /** All containers there are. */
  users: () => ImageUser[];
}
