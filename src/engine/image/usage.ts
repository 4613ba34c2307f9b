/** Disk usage of a tree as du(1) counts it: blocks, a hard-linked file once. */
import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

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
