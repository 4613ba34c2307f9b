/**
 * Builds the stage (src/ffi/stage/) for both architectures with the Zig toolchain from npm, and writes it as a
 * module that the program embeds: src/ffi/stage/generated.js. The same sources give the same bytes anywhere.
 * Does nothing when the module is newer than its sources.
 */
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const STAGE = join(ROOT, "src/ffi/stage");
const OUTPUT = join(STAGE, "generated.js");

export const ARCHES = ["x86_64", "aarch64"] as const;

/** No libc, nothing at start-up but ours, nothing of the building machine in the file. */
const FLAGS = [
  "-std=c11",
  "-Os",
  "-ffreestanding",
  "-nostdlib",
  "-static",
  "-fno-builtin",
  "-fno-stack-protector",
  "-fno-sanitize=undefined",
  "-fno-asynchronous-unwind-tables",
  "-fno-unwind-tables",
  "-ffunction-sections",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wl,--gc-sections",
  "-Wl,--build-id=none",
  "-s",
];

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
}

function upToDate(): boolean {
  const made = statSync(OUTPUT, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const inputs = [...sources(STAGE).map((name) => join(STAGE, name)), import.meta.path];
  return inputs.every((path) => statSync(path).mtimeMs < made);
}

/** The ELF file, made in `folder` from the sources in `from`. */
export function compileStage(arch: (typeof ARCHES)[number], folder: string, from = STAGE): Uint8Array {
  const output = join(folder, arch);
  const files = sources(from).filter((name) => name.endsWith(".c"));
  const zig = Bun.spawnSync(
    [
      join(ROOT, "node_modules/.bin/zig"),
      "cc",
      "-target",
      `${arch}-linux-none`,
      ...FLAGS,
      "-o",
      output,
      ...files,
    ],
    { cwd: from, stdio: ["ignore", "inherit", "inherit"] },
  );
  if (zig.exitCode !== 0) throw new Error(`zig cc for ${arch} ended with ${zig.exitCode}`);
  return readFileSync(output);
}

export function buildStage(): void {
  if (upToDate()) return;
  const folder = mkdtempSync(join(tmpdir(), "stage-"));
  try {
    const entries = ARCHES.map(
      (arch) => `  ${arch}: "${Buffer.from(compileStage(arch, folder)).toString("base64")}",\n`,
    );
    const text = `// Made by build/stage.ts; not for editing.\nexport const STAGE = {\n${entries.join("")}};\n`;
    // Moved into place whole: another build may be reading
    const beside = join(STAGE, `generated.${process.pid}`);
    writeFileSync(beside, text);
    renameSync(beside, OUTPUT);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) buildStage();
