/** GET /containers/NAME/changes: what the writable layer has that the image has not, and the reverse. */
import { lstatSync, readdirSync } from "node:fs";
import { xattrOf } from "../../ffi/detached.ts";
import { close, FsError, O, openAt, openInRoot } from "../../ffi/fs.ts";
import type { Rootfs } from "../shim/types.ts";
import { openDirectory } from "./rootfs.ts";

export interface Change {
  Path: string;
  /** Modified, added, deleted. */
  Kind: 0 | 1 | 2;
}

const BYTES = "latin1" as BufferEncoding;

function exists(lowers: readonly number[], path: string): boolean {
  for (const lower of lowers) {
    try {
      const fd = openInRoot(lower, path, O.PATH | O.NOFOLLOW);
      const stats = lstatSync(`/proc/self/fd/${fd}`);
      close(fd);
      return stats !== undefined;
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
    }
  }
  return false;
}

function walk(dir: number, path: string, lowers: readonly number[], found: Change[]): void {
  const names = readdirSync(`/proc/self/fd/${dir}`, { encoding: BYTES }) as unknown as string[];
  for (const name of names.sort()) {
    const child = `${path}/${name}`;
    const shown = Buffer.from(child, "latin1").toString("utf8");
    const stats = lstatSync(Buffer.from(`/proc/self/fd/${dir}/${name}`, "latin1"), { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (stats.isCharacterDevice() && stats.rdev === 0) {
      found.push({ Path: shown, Kind: 2 });
      continue;
    }
    found.push({ Path: shown, Kind: exists(lowers, child) ? 0 : 1 });
    if (!stats.isDirectory()) continue;
    const fd = openAt(dir, name, O.RDONLY | O.DIRECTORY);
    try {
      // An opaque folder hides all that the image has there.
      const opaque = xattrOf(fd, "trusted.overlay.opaque") !== undefined;
      walk(fd, child, opaque ? [] : lowers, found);
    } finally {
      close(fd);
    }
  }
}

/** What every container has at these places comes from the engine; Docker keeps it in a layer that it does not show. */
const ENGINES = new Set([
  "/.dockerenv",
  "/dev",
  "/dev/console",
  "/dev/mqueue",
  "/dev/pts",
  "/dev/shm",
  "/etc/hostname",
  "/etc/hosts",
  "/etc/mtab",
  "/etc/resolv.conf",
  "/proc",
  "/sys",
]);

/** Without the engine's own places, and without a folder that was touched for their sake only. */
function visible(changes: readonly Change[]): Change[] {
  const others = changes.filter(({ Path, Kind }) => Kind === 2 || !ENGINES.has(Path));
  const inEtc = others.some(({ Path }) => Path.startsWith("/etc/"));
  const touched = others.length < changes.length && !inEtc;
  return touched ? others.filter(({ Path }) => Path !== "/etc") : others;
}

/** Looks at the layers as they lie on the host: nothing that the container has mounted is touched. */
export function changesOf(rootfs: Rootfs): Change[] | null {
  if (rootfs.kind !== "overlay") return null;
  const lowers = rootfs.lower.map(openDirectory);
  const upper = openDirectory(rootfs.upper);
  try {
    const found: Change[] = [];
    walk(upper, "", lowers, found);
    const shown = visible(found);
    return shown.length > 0 ? shown : null;
  } finally {
    for (const fd of [upper, ...lowers]) close(fd);
  }
}
