/** `docker import`: an image of one layer from a tar archive. */
import { closeSync, openSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { canonical, parseReference, tagged, withTag } from "../../registry/client/reference.ts";
import { EngineError } from "../errors.ts";
import { applyChanges } from "./changes.ts";
import { orInvalid } from "./failure.ts";
import type { LoadContext } from "./load.ts";
import { digestOf, MEDIA } from "./manifest.ts";
import { HOST, parsePlatform } from "./platform.ts";
import type { ImageService } from "./types.ts";
import { decompressed } from "./unpack.ts";

type Options = Parameters<ImageService["importImage"]>[1];

export async function importImage(
  { store, layers, event }: LoadContext,
  body: AsyncIterable<Uint8Array>,
  { repo, tag, message, changes = [], platform }: Options,
): Promise<string> {
  const reference = repo
    ? orInvalid(() => {
        const parsed = parseReference(repo);
        return tagged(tag ? withTag(parsed, tag) : parsed);
      })
    : undefined;
  if (reference?.digest !== undefined) throw new EngineError("invalid", "cannot import digest reference");
  const config = applyChanges({}, changes);
  const { architecture, os, variant } = platform ? parsePlatform(platform) : HOST;
  using lease = store.lease();
  // Stored uncompressed, as it will be unpacked anyway: one digest names blob and content.
  const path = store.content.scrap();
  try {
    const { digest, size } = await keep(path, decompressed(body));
    lease.add(digest);
    store.content.commit(path, digest);
    const created = new Date().toISOString();
    const configBytes = Buffer.from(
      JSON.stringify({
        created,
        architecture,
        ...(variant && { variant }),
        os,
        config,
        rootfs: { type: "layers", diff_ids: [digest] },
        history: [{ created, comment: message ?? "" }],
      }),
    );
    const configDigest = digestOf(configBytes);
    lease.add(configDigest);
    store.content.add(configBytes);
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA.ociManifest,
        config: { mediaType: MEDIA.ociConfig, digest: configDigest, size: configBytes.length },
        layers: [{ mediaType: MEDIA.ociLayer, digest, size }],
      }),
    );
    const target = { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.length };
    lease.add(target.digest);
    store.content.add(bytes);
    const [image] = store.platforms(target);
    await layers.ensure({ manifest: image!.manifest!, config: image!.config!, lease });
    if (reference === undefined) store.names.addDangling(target);
    else store.names.set(canonical(reference), target);
    event("import", target.digest, target.digest);
    return target.digest;
  } finally {
    await rm(path, { force: true });
    lease[Symbol.dispose]();
    store.collect();
  }
}

async function keep(
  path: string,
  source: AsyncIterable<Uint8Array>,
): Promise<{ digest: string; size: number }> {
  const hash = new Bun.CryptoHasher("sha256");
  const fd = openSync(path, "wx", 0o600);
  let size = 0;
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      size += chunk.length;
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    }
  } finally {
    closeSync(fd);
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}
