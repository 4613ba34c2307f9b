/**
 * Builds the stage (src/ffi/stage/) and writes it as a module that the program embeds: src/ffi/stage/generated.js. Does
 * nothing when the module is newer than its sources.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Arch, compileFreestanding, embed } from "./freestanding.ts";

const STAGE = join(import.meta.dir, "../src/ffi/stage");

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
}

/** The ELF file, made in `folder` from the sources in `from`. */
export function compileStage(arch: Arch, folder: string, from = STAGE): Uint8Array {
  const files = sources(from).filter((name) => name.endsWith(".c"));
  return compileFreestanding(arch, { output: join(folder, arch), from, files });
}

export function buildStage(): void {
  embed({
    output: join(STAGE, "generated.js"),
    name: "STAGE",
    maker: import.meta.path,
    inputs: sources(STAGE).map((name) => join(STAGE, name)),
    compile: (arch, folder) => compileStage(arch, folder),
  });
}

if (import.meta.main) buildStage();
