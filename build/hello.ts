/**
 * Builds the program of the embedded image (src/engine/image/hello/) for both architectures with the Zig toolchain
 * from npm, as a module that the program embeds. Does nothing when the module is newer than its source.
 */
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const FOLDER = join(ROOT, "src/engine/image/hello");
const SOURCE = join(FOLDER, "hello.c");
const OUTPUT = join(FOLDER, "generated.js");

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
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wl,--gc-sections",
  "-Wl,--build-id=none",
  "-s",
];

function compile(arch: string, folder: string): Uint8Array {
  const output = join(folder, arch);
  const command = [join(ROOT, "node_modules/.bin/zig"), "cc", "-target", `${arch}-linux-none`, ...FLAGS];
  const zig = Bun.spawnSync([...command, "-o", output, SOURCE], { stdio: ["ignore", "inherit", "inherit"] });
  if (zig.exitCode !== 0) throw new Error(`zig cc for ${arch} ended with ${zig.exitCode}`);
  return readFileSync(output);
}

export function buildHello(): void {
  const made = statSync(OUTPUT, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if ([SOURCE, import.meta.path].every((path) => statSync(path).mtimeMs < made)) return;
  const folder = mkdtempSync(join(tmpdir(), "hello-"));
  try {
    const entries = ["x86_64", "aarch64"].map(
      (arch) => `  ${arch}: "${Buffer.from(compile(arch, folder)).toString("base64")}",\n`,
    );
    const beside = join(FOLDER, `generated.${process.pid}`);
    writeFileSync(
      beside,
      `// Made by build/hello.ts; not for editing.\nexport const HELLO = {\n${entries.join("")}};\n`,
    );
    renameSync(beside, OUTPUT);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) buildHello();
