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
  Healthcheck?: { Test?: string[]; Interval?: number; Timeout?: number; StartPeriod?: number; StartInterval?: number; Retries?: number };
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
  /** Makes a container's writable layer on top of the image (idempotent) and keeps the image's layers from being collected. */
  prepare(containerId: string, image: ResolvedImage): Rootfs;
  /** The rootfs of a prepared container. */
  rootfs(containerId: string): Rootfs;
  /** Removes the writable layer. Idempotent. */
  discard(containerId: string): Promise<void>;
  /** Bytes: of the writable layer, and of all layers together (`ps -s`, `inspect -s`). */
  usage(containerId: string): Promise<{ rw: number; rootfs: number }>;
}
