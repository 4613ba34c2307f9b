/** How much of each image is another's, too: blobs and unpacked layers that several have. */
import type { ImageStore } from "./store.ts";
import type { ImageSummary } from "./types.ts";

export function sharedSizes(store: ImageStore, images: readonly ImageSummary[]): ImageSummary[] {
  const parts = images.map(({ Descriptor }) => {
    const sizes = new Map<string, number>();
    for (const { digest, size } of store.blobs(Descriptor)) sizes.set(digest, size);
    for (const chain of store.chains(Descriptor)) sizes.set(`chain ${chain}`, store.snapshots.size(chain));
    return sizes;
  });
  const owners = new Map<string, number>();
  for (const sizes of parts) for (const key of sizes.keys()) owners.set(key, (owners.get(key) ?? 0) + 1);
  return images.map((image, i) => {
    let shared = 0;
    for (const [key, size] of parts[i]!) if (owners.get(key)! > 1) shared += size;
    return { ...image, SharedSize: shared };
  });
}
