/** Disk usage of a tree as du(1) counts it: blocks, a hard-linked file once. */
import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * What the engine puts into every writable layer to mount upon: Docker keeps it in a layer of its own between image
 * and container, and so does not count it as the container's.
 */
const PLACED: Record<string, readonly string[]> = {
  "": [".dockerenv"],
  dev: ["console", "mqueue", "pts", "shm"],
  etc: ["hostname", "hosts", "mtab", "resolv.conf"],
  proc: [],
  sys: [],
};

/** Bytes of the folders that are there for the engine's sake only, and of its files in them. */
export async function placedUsage(upper: string): Promise<number> {
  let bytes = 0;
  for (const [folder, names] of Object.entries(PLACED)) {
    // What lies here is the container's to change: never through its links.
    const stat = await lstat(join(upper, folder)).catch(() => undefined);
    if (!stat?.isDirectory()) continue;
    const found = await readdir(join(upper, folder)).catch(() => []);
    for (const name of found) if (names.includes(name)) bytes += await ownUsage(join(upper, folder, name));
    const only = folder !== "" && found.every((name) => names.includes(name));
    if (only) bytes += await ownUsage(join(upper, folder));
  }
  return bytes;
}

const ownUsage = async (path: string): Promise<number> =>
  ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * 512;

/** Bytes. What vanishes while it is counted counts nothing. */
export async function diskUsage(root: string): Promise<number> {
  const seen = new Set<string>();
  let bytes = 0;
  const count = async (path: string): Promise<void> => {
    const stat = await lstat(path).catch(() => undefined);
    if (stat === undefined) return;
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const key = `${stat.dev}:${stat.ino}`;
      if (seen.has(key)) return;
      seen.add(key);
    }
    bytes += stat.blocks * 512;
  };
  const walk = async (path: string): Promise<void> => {
    await count(path);
    const entries: Dirent[] = await readdir(path, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (entry.isDirectory()) await walk(join(path, entry.name));
      else await count(join(path, entry.name));
    }
  };
  await walk(root);
  return bytes;
}
