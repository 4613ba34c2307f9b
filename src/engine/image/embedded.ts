/**
 * The image inside the binary: `hello`, one static program. Made in the store when somebody first asks for it, with
 * the same digests on every machine; until then it is not even loaded.
 */

import { canonical, parseReference, tagged } from "../../registry/client/reference.ts";
import { header, padding, trailer } from "../archive/write.ts";
import { digestOf, MEDIA } from "./manifest.ts";
import { HOST } from "./platform.ts";
import type { ImageStore } from "./store.ts";
import { LIMITS, type UnpackReport } from "./unpack-job.ts";

const NAMES = new Set(["docker.io/library/hello:latest"]);
/** Of the image, so that its digests do not depend on when it was made. */
const CREATED = "2026-01-01T00:00:00Z";

/** Whether a name means an image of the binary's. */
export function isEmbedded(name: string): boolean {
  try {
    return NAMES.has(canonical(tagged(parseReference(name))));
  } catch {
    return false;
  }
}

export async function ensureEmbedded({ store }: { store: ImageStore }, name: string): Promise<boolean> {
  if (!isEmbedded(name)) return false;
  const reference = canonical(tagged(parseReference(name)));
  if (store.names.get(reference) !== undefined) return true;
  using lease = store.lease();
  const layer = await archive();
  const diffId = digestOf(layer);
  const config = bytesOf({
    created: CREATED,
    architecture: HOST.architecture,
    os: HOST.os,
    config: { Env: ["PATH=/"], Cmd: ["/hello"], WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created: CREATED, created_by: "hello.c", comment: "embedded in tsd" }],
  });
  const manifest = bytesOf({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: { mediaType: MEDIA.ociConfig, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: MEDIA.ociLayer, digest: diffId, size: layer.length }],
  });
  lease.add(diffId, digestOf(config), digestOf(manifest));
  store.content.add(layer);
  store.content.add(config);
  const digest = store.content.add(manifest);
  await unpackHere(store, diffId, layer.length);
  store.names.set(reference, { mediaType: MEDIA.ociManifest, digest, size: manifest.length });
  return true;
}

const bytesOf = (document: object): Uint8Array => Buffer.from(JSON.stringify(document));

async function archive(): Promise<Uint8Array> {
  const { HELLO } = await import("./hello/generated.js");
  const program = Buffer.from(process.arch === "arm64" ? HELLO.aarch64 : HELLO.x86_64, "base64");
  const mtime = BigInt(Date.parse(CREATED)) * 1_000_000n;
  const directories = ["dev", "etc", "proc", "sys", "tmp"].map((name) =>
    header({ name: `${name}/`, type: "dir", mode: name === "tmp" ? 0o1777 : 0o755, mtime }),
  );
  return Buffer.concat([
    ...directories,
    header({ name: "hello", type: "file", mode: 0o755, size: program.length, mtime }),
    program,
    padding(program.length),
    trailer(),
  ]);
}

/** A few kilobytes of our own need no process of their own. */
async function unpackHere(store: ImageStore, digest: string, size: number): Promise<void> {
  if (store.snapshots.has(digest)) return;
  const { unpack } = await import("./unpack.ts");
  const { id, path } = store.snapshots.begin();
  try {
    let done: UnpackReport | undefined;
    const source = { kind: "blob", path: store.content.path(digest) } as const;
    await unpack(
      {
        source,
        digest,
        size,
        target: path,
        diffId: digest,
        maxBytes: LIMITS.maxBytes(size),
        maxEntries: 100,
      },
      (report) => {
        done = report;
      },
    );
    if (done?.kind !== "done") throw new Error("the embedded image did not unpack");
    store.snapshots.commit(id, digest, undefined, done.size, done.implied);
  } catch (error) {
    store.snapshots.abandon(id);
    throw error;
  }
}
