/**
 * Manifests, indexes and image configs: OCI's and Docker's spelling of the same thing. They come from strangers, so
 * every field that is used is checked here, once.
 * @source OCI image-spec v1.1: manifest.md, image-index.md, config.md, layer.md
 */
import { isDigest } from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { decodeParsed } from "../json/decode.ts";
import { syntaxError } from "../json/syntax.ts";
import { imageConfig } from "./config-schema.ts";
import type { Platform } from "./platform.ts";
import type { Descriptor, ImageRunConfig } from "./types.ts";

export const MEDIA = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
} as const;

/** Overlayfs takes no more lower directories than this together. */
export const LAYERS_MAX = 500;
const MANIFESTS_MAX = 4096;

export const isIndex = (mediaType: string): boolean =>
  mediaType === MEDIA.ociIndex || mediaType === MEDIA.dockerList;
export const isManifest = (mediaType: string): boolean =>
  mediaType === MEDIA.ociManifest || mediaType === MEDIA.dockerManifest;
/** An archive to be unpacked; how it is compressed (`+gzip`) its first bytes say. */
const LAYERS: ReadonlySet<string> = new Set([
  MEDIA.ociLayer,
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  MEDIA.dockerLayer,
  `${MEDIA.dockerLayer}.gzip`,
  `${MEDIA.dockerLayer}.zstd`,
  "application/vnd.docker.image.rootfs.foreign.diff.tar",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
]);
export const isLayer = (mediaType: string): boolean => LAYERS.has(mediaType.split("+")[0]!);

export interface ImageManifest {
  kind: "manifest";
  mediaType: string;
  config: Descriptor;
  layers: Descriptor[];
}

export interface ImageIndex {
  kind: "index";
  mediaType: string;
  manifests: Descriptor[];
}

export interface ImageConfig extends Platform {
  created?: string;
  author?: string;
  "os.version"?: string;
  config: ImageRunConfig;
  rootfs: { type: string; diff_ids: string[] };
  history: {
    created?: string;
    created_by?: string;
    author?: string;
    comment?: string;
    empty_layer?: boolean;
  }[];
}

const refuse = (what: string): EngineError => new EngineError("internal", what);

/** `lead` begins what is said of a text that is no JSON. */
function json(bytes: Uint8Array, what: string, lead: () => string): Record<string, unknown> {
  const text = Buffer.from(bytes).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse(`${lead()}: ${syntaxError(text)}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw refuse(`${what} is not a JSON object`);
}

export function descriptor(value: unknown, what: string): Descriptor {
  const given = value as Partial<Descriptor> | null | undefined;
  if (typeof given?.digest !== "string" || !isDigest(given.digest))
    throw refuse(`${what} has no valid digest`);
  // Content is addressed by SHA-256 throughout the store.
  if (!given.digest.startsWith("sha256:")) throw refuse(`${what} has an unsupported digest ${given.digest}`);
  if (!Number.isSafeInteger(given.size) || given.size! < 0) throw refuse(`${what} has no valid size`);
  if (typeof given.mediaType !== "string") throw refuse(`${what} has no media type`);
  const platform = given.platform;
  return {
    mediaType: given.mediaType,
    digest: given.digest,
    size: given.size!,
    ...(isStrings(given.annotations) && { annotations: given.annotations }),
    ...(typeof platform?.os === "string" && typeof platform.architecture === "string" && { platform }),
  };
}

const isStrings = (value: unknown): value is Record<string, string> =>
  typeof value === "object" && value !== null && Object.values(value).every((one) => typeof one === "string");

/** @throws EngineError for anything that is neither manifest nor index */
export function parseManifest(bytes: Uint8Array, mediaType: string): ImageManifest | ImageIndex {
  const body = json(bytes, "manifest", () => `children: invalid desc ${digestOf(bytes)}`);
  // CVE-2021-41190: a document that is both must not be read as either by the one who asks nicely.
  if (body.manifests !== undefined && (body.layers !== undefined || body.config !== undefined)) {
    throw refuse("manifest is both an index and an image manifest");
  }
  const type = typeof body.mediaType === "string" ? body.mediaType : mediaType;
  if (body.schemaVersion === 1 || type.includes("distribution.manifest.v1+")) {
    throw new EngineError(
      "invalid",
      "[DEPRECATION NOTICE] Docker Image Format v1 and Docker Image manifest version 2, schema 1 support is removed",
    );
  }
  if (Array.isArray(body.manifests)) {
    if (body.manifests.length > MANIFESTS_MAX) throw refuse("index has too many manifests");
    const manifests = body.manifests.map((one) => descriptor(one, "index entry"));
    return { kind: "index", mediaType: isIndex(type) ? type : MEDIA.ociIndex, manifests };
  }
  if (!Array.isArray(body.layers)) throw refuse(`unsupported manifest media type ${JSON.stringify(type)}`);
  if (body.layers.length > LAYERS_MAX)
    throw refuse(`image has ${body.layers.length} layers, at most ${LAYERS_MAX} are supported`);
  return {
    kind: "manifest",
    mediaType: isManifest(type) ? type : MEDIA.ociManifest,
    config: descriptor(body.config, "manifest's config"),
    layers: body.layers.map((one) => descriptor(one, "layer")),
  };
}

/** @throws EngineError for a config that is not an image's */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const body = decodeParsed<Partial<ImageConfig>>(
    json(bytes, "image config", () => "unmarshal image config"),
    imageConfig,
  );
  const diffIds = body.rootfs?.diff_ids ?? [];
  if (!diffIds.every(isDigest)) throw refuse("image config has no valid rootfs.diff_ids");
  const { created, author, variant, "os.version": osVersion } = body;
  return {
    ...(created && { created }),
    ...(author && { author }),
    ...(variant && { variant }),
    ...(osVersion && { "os.version": osVersion }),
    architecture: body.architecture ?? "",
    os: body.os ?? "",
    config: body.config ?? {},
    rootfs: { type: body.rootfs?.type || "layers", diff_ids: diffIds },
    history: body.history ?? [],
  };
}

/** Buildkit's provenance and SBOM hang in an index like platforms. */
export const isAttestation = ({ annotations }: Descriptor): boolean =>
  annotations?.["vnd.docker.reference.type"] === "attestation-manifest";

/** Identifies a stack of layers, each by its own and all below it. @source OCI image-spec, config.md, "Layer ChainID" */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

export const digestOf = (content: string | Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(content).digest("hex")}`;
