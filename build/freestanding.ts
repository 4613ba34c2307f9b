/**
 * C programs without a libc, for both architectures, by the Zig toolchain from npm; written as a module that the program
 * embeds. The same sources give the same bytes anywhere.
 */
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const ROOT = join(import.meta.dir, "..");

export const ARCHES = ["x86_64", "aarch64"] as const;
export type Arch = (typeof ARCHES)[number];

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

/** The ELF file, made at `output` from `files` in the folder `from`. */
export function compileFreestanding(
  arch: Arch,
  { output, from, files }: { output: string; from: string; files: readonly string[] },
): Uint8Array {
  const words = ["cc", "-target", `${arch}-linux-none`, ...FLAGS, "-o", output, ...files];
  const zig = Bun.spawnSync([join(ROOT, "node_modules/.bin/zig"), ...words], {
    cwd: from,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (zig.exitCode !== 0) throw new Error(`zig cc for ${arch} ended with ${zig.exitCode}`);
  return readFileSync(output);
}

export interface Embedded {
  /** The module. */
  output: string;
  /** What it exports: base64 by architecture. */
  name: string;
  /** Who makes it: an input, too. */
  maker: string;
  /** It is made anew only when one of these is newer. */
  inputs: readonly string[];
  /** Makes the file in `folder`. */
  compile(arch: Arch, folder: string): Uint8Array;
}

export function embed({ output, name, maker, inputs, compile }: Embedded): void {
  const made = statSync(output, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if ([...inputs, maker, import.meta.path].every((path) => statSync(path).mtimeMs < made)) return;
  const folder = mkdtempSync(join(tmpdir(), "freestanding-"));
  try {
    const entries = ARCHES.map(
      (arch) => `  ${arch}: "${Buffer.from(compile(arch, folder)).toString("base64")}",\n`,
    );
    const text = `// Made by build/${basename(maker)}; not for editing.\nexport const ${name} = {\n${entries.join("")}};\n`;
    // Moved into place whole: another build may be reading
    const beside = output.replace(/\.js$/, `.${process.pid}`);
    writeFileSync(beside, text);
    renameSync(beside, output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
