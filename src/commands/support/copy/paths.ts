/** The path rules of `cp`: what a trailing `/` and `/.` mean, and where things end up under which name. */
import { basename, dirname, isAbsolute, normalize, resolve } from "node:path";
import { Failure } from "../failure.ts";

/** `CONTAINER:PATH`, or a path of this machine, which a leading `/` or `.` makes sure of. */
export function splitArgument(text: string): { container: string; path: string } {
  if (isAbsolute(text)) return { container: "", path: text };
  const colon = text.indexOf(":");
  if (colon < 0 || text.startsWith(".")) return { container: "", path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

const currentFolder = (path: string): boolean => path === "." || path.endsWith("/.");
const asserts = (path: string): boolean => path.endsWith("/") || currentFolder(path);

/** Folder and last name; `x/.` has the last name `.`, which stands for what is in it. */
export function splitEntry(path: string): { folder: string; base: string } {
  const clean = normalize(path).replace(/(.)\/+$/, "$1");
  if (currentFolder(path)) return { folder: clean, base: "." };
  return { folder: dirname(clean), base: basename(clean) || "/" };
}

/** Absolute, with the trailing `/` or `/.` that was there. */
export function absolute(path: string): string {
  const full = resolve(path);
  if (currentFolder(path)) return `${full}/.`;
  return path.endsWith("/") && full !== "/" ? `${full}/` : full;
}

export interface Place {
  readonly path: string;
  readonly exists: boolean;
  readonly isFolder: boolean;
}

/** Where an archive is unpacked, and what its first name becomes. */
export function arrange(
  source: { path: string; isFolder: boolean },
  target: Place,
): { folder: string; from: string; to: string } {
  const from = splitEntry(source.path).base;
  if (target.exists && target.isFolder) return { folder: target.path, from, to: from };
  if (target.exists && source.isFolder) throw new Failure("cannot copy directory");
  if (!target.exists && !source.isFolder && asserts(target.path)) throw new Failure("no such directory");
  const { folder, base } = splitEntry(target.path);
  return { folder, from, to: base };
}

/** An archive's name with its first part exchanged. */
export function rebase(name: string, from: string, to: string): string {
  if (from === to) return name;
  const old = from === "/" ? "" : from;
  return name === old || name.startsWith(`${old}/`) ? to + name.slice(old.length) : name.replace(old, to);
}
