/**
 * What the engine asks of its unpack process and hears from it: one JSON line in, JSON lines out. Both ends are the
 * same build, so this may change freely.
 */
import type { RepositoryAccess } from "../../registry/client/repository.ts";

export interface UnpackJob {
  /** A blob of the store, or one to be downloaded into `ingest` on the way. */
  source: { kind: "blob"; path: string } | { kind: "remote"; access: RepositoryAccess; ingest: string };
  digest: string;
  /** Bytes of the blob, as its descriptor says. */
  size: number;
  /** Where to unpack it: an empty folder. Without it, the blob is downloaded only. */
  target?: string;
  /** What the image's config says the uncompressed archive's digest is. */
  diffId?: string;
  /** More uncompressed bytes than this are a bomb. */
  maxBytes: number;
  maxEntries: number;
}

export type UnpackReport =
  /** Bytes downloaded so far. */
  | { kind: "progress"; current: number }
  | { kind: "downloaded" }
  | { kind: "done"; size: number; implied: string[]; diffId?: string }
  | {
      kind: "failed";
      error: "unavailable" | "unauthorized" | "denied" | "notFound" | "invalid" | "cancelled";
      message: string;
    };

/** Docker's layers have no limit; these stop bombs long before a real image. */
const FLOOR = 16 * 1024 ** 3;
const RATIO = 200;

export const LIMITS = {
  /** gzip reaches 1000:1 only on nothing but zeros. */
  maxBytes: (compressed: number): number => Math.max(FLOOR, compressed * RATIO),
  maxEntries: 2_000_000,
};
