/** What an image has at the place of a new volume is copied into it, as Docker does once, at create. */
import { readdirSync } from "node:fs";
import { close, ERRNO, FsError, O, openInRoot } from "../../ffi/fs.ts";
import { extract } from "../archive/extract.ts";
import { TarReader } from "../archive/read.ts";
import type { Rootfs } from "../shim/types.ts";
import type { MountPoint } from "./mount-points.ts";
import { pack } from "./pack.ts";
import { openDirectory, openStoppedRoot } from "./rootfs.ts";

export async function populateVolumes(rootfs: Rootfs, volumes: readonly MountPoint[]): Promise<void> {
  const root = openStoppedRoot(rootfs);
  try {
    for (const volume of volumes) await populate(root, volume);
  } finally {
    close(root);
  }
}

async function populate(root: number, volume: MountPoint): Promise<void> {
  let from: number;
  try {
    from = openInRoot(root, volume.destination, O.RDONLY | O.DIRECTORY);
  } catch (error) {
    if (error instanceof FsError && (error.errno === ERRNO.ENOENT || error.errno === ERRNO.ENOTDIR)) return;
    throw error;
  }
  try {
    // Owner and mode of the folder itself come along as the archive's first entry, of an empty folder too.
    if (readdirSync(volume.source).length > 0) return;
    const to = openDirectory(volume.source);
    try {
      await extract(new TarReader(pack(from, ".")), to);
    } finally {
      close(to);
    }
  } finally {
    close(from);
  }
}
