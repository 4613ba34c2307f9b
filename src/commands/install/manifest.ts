/** What an installation has put where, so that it can be replaced and undone, and nothing else is. */
import { createHash } from "node:crypto";
import {
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** A file is ours while its content, a link while its target, is one that we wrote. */
export interface Entry {
  path: string;
  /** `sha256:…` or `link:TARGET`. Two of them while a replacement is under way. */
  marks: string[];
}

export interface Manifest {
  version: 1;
  entries: Entry[];
  /** Folders that were made, parents first. */
  folders: string[];
}

export const manifestPath = (prefix: string): string => join(prefix, "lib/tsd/manifest.json");

export function readManifest(prefix: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(manifestPath(prefix), "utf8")) as Manifest;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw code === undefined ? new Error(`read ${manifestPath(prefix)}: ${message}`) : error;
  }
}

/** A name in the same folder that nobody uses. */
export const beside = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${process.pid}.${crypto.randomUUID().slice(0, 8)}`);

/** In one step: a list that is cut short would leave files that nobody claims. */
export function writeManifest(prefix: string, manifest: Manifest): void {
  const path = manifestPath(prefix);
  const fresh = beside(path);
  writeFileSync(fresh, `${JSON.stringify(manifest, null, 1)}\n`, { flag: "wx", mode: 0o644, flush: true });
  renameSync(fresh, path);
}

export const contentMark = (content: string | Uint8Array): string =>
  `sha256:${createHash("sha256").update(content).digest("hex")}`;

export const linkMark = (target: string): string => `link:${target}`;

export function fileMark(path: string): string {
  const hash = createHash("sha256");
  const chunk = Buffer.alloc(1 << 20);
  const fd = openSync(path, "r");
  try {
    for (let got = readSync(fd, chunk); got > 0; got = readSync(fd, chunk))
      hash.update(chunk.subarray(0, got));
  } finally {
    closeSync(fd);
  }
  return `sha256:${hash.digest("hex")}`;
}

/** What lies at `path` now, without following a link that somebody put there; undefined: nothing. */
export function markOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (found.isSymbolicLink()) return linkMark(readlinkSync(path));
  return found.isFile() ? fileMark(path) : "other";
}
