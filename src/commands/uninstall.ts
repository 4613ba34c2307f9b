/** `tsd uninstall`: removes what `tsd install` noted, as far as it is still what was installed. */
import { realpathSync, rmdirSync, rmSync } from "node:fs";
import { basename, join, sep } from "node:path";
import { complain } from "../ffi/host.ts";
import { type Manifest, manifestPath, markOf, readManifest, writeManifest } from "./install/manifest.ts";
import { listOf, parseInstall, reason } from "./install.ts";

const USAGE = `Usage:  tsd uninstall [OPTIONS]

Undo what tsd install did

Options:
      --prefix string   Where it was installed (default "/usr/local")`;

export function main(args: string[]): void {
  const options = parseInstall(args, USAGE, ["--prefix"]);
  if (!options) return;
  const { prefix } = options;
  try {
    const manifest = readManifest(prefix);
    if (!manifest) throw new Error(`nothing is installed below ${prefix}`);
    uninstall(prefix, manifest);
  } catch (error) {
    complain(`uninstall: ${reason(error as NodeJS.ErrnoException)}`);
    process.exitCode = 1;
  }
}

const isBelow = (path: string, folder: string): boolean =>
  path.startsWith(folder === "/" ? "/" : folder + sep) && path === join(path);

function uninstall(prefix: string, { entries, folders }: Manifest): void {
  // The list lies where others may be able to write: it is not to lead elsewhere.
  for (const { path } of entries)
    if (!isBelow(path, prefix))
      throw new Error(
        `${manifestPath(prefix)} names ${path}, which is not below ${prefix}: nothing was removed`,
      );
  const units = entries.filter(({ path }) => /\.(service|socket)$/.test(path) && isLoadedFrom(path));
  // Also removes the links that `systemctl enable` made.
  if (units.length > 0) systemctl("disable", ...units.map(({ path }) => basename(path)));
  const changed: string[] = [];
  const stuck: Manifest["entries"] = [];
  const removed: string[] = [];
  for (const entry of entries) {
    try {
      const found = markOf(entry.path);
      if (found === undefined) continue;
      if (entry.marks.includes(found)) {
        rmSync(entry.path);
        removed.push(entry.path);
      } else changed.push(entry.path);
    } catch (error) {
      stuck.push(entry);
      complain(`uninstall: ${reason(error as NodeJS.ErrnoException)}`);
    }
  }
  for (const path of changed) complain(`left ${path}: it was changed after it was installed`);
  if (stuck.length > 0) {
    writeManifest(prefix, { version: 1, entries: stuck, folders });
    throw new Error(`${stuck.length} of ${entries.length} files could not be removed from ${prefix}`);
  }
  rmSync(manifestPath(prefix));
  for (const folder of folders.toReversed()) {
    if (!isBelow(folder, prefix) && folder !== prefix && !isBelow(prefix, folder)) continue;
    try {
      rmdirSync(folder);
    } catch {
      // Somebody else's files are in it by now.
    }
  }
  if (units.length > 0) systemctl("daemon-reload");
  if (removed.length > 0) console.log(`removed from ${prefix}:\n${listOf(prefix, removed)}`);
}

/** Another installation may have units of the same names. */
function isLoadedFrom(path: string): boolean {
  const loaded = systemctl("show", "--property=FragmentPath", "--value", basename(path));
  try {
    return loaded !== "" && realpathSync(loaded) === realpathSync(path);
  } catch {
    return false;
  }
}

function systemctl(...words: string[]): string {
  if (!Bun.which("systemctl")) return "";
  return Bun.spawnSync(["systemctl", ...words], { stdio: ["ignore", "pipe", "ignore"] })
    .stdout.toString()
    .trim();
}
