/** `tsd uninstall`: removes what `tsd install` noted, as far as it is still what was installed. */
import { rmdirSync, rmSync } from "node:fs";
import { manifestPath, markOf, readManifest } from "./install/manifest.ts";
import { parseInstall } from "./install.ts";

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
    const units = manifest.entries.map(({ path }) => path).filter((path) => /\.(service|socket)$/.test(path));
    // Also removes the links that `systemctl enable` made.
    if (units.length > 0) systemctl("disable", ...units.map((path) => path.slice(path.lastIndexOf("/") + 1)));
    const changed: string[] = [];
    for (const { path, marks } of manifest.entries) {
      const found = markOf(path);
      if (found === undefined) continue;
      if (marks.includes(found)) rmSync(path);
      else changed.push(path);
    }
    rmSync(manifestPath(prefix));
    for (const folder of manifest.folders.toReversed()) {
      try {
        rmdirSync(folder);
      } catch {
        // Somebody else's files are in it by now.
      }
    }
    if (units.length > 0) systemctl("daemon-reload");
    for (const path of changed) console.error(`left ${path}: it was changed after it was installed`);
    console.log(`removed tsd from ${prefix}`);
  } catch (error) {
    console.error(`uninstall: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

function systemctl(...words: string[]): void {
  if (Bun.which("systemctl"))
    Bun.spawnSync(["systemctl", ...words], { stdio: ["ignore", "ignore", "ignore"] });
}
