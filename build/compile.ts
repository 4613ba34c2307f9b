/** Turns src/main.ts into one executable for a target. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareBase } from "./base.ts";
import { alignSegments } from "./huge-pages.ts";
import { recordOrder } from "./order.ts";
import type { Target } from "./target.ts";

const root = join(import.meta.dir, "..");

/** What is embedded as static executables: the stage, and the program of the image `hello`. */
export function buildStage(): void {
  for (const name of ["build/stage.ts", "build/hello.ts"]) {
    const script = join(root, name);
    if (!existsSync(script)) continue;
    const done = Bun.spawnSync([process.execPath, script], {
      cwd: root,
      stdout: "inherit",
      stderr: "inherit",
    });
    if (!done.success) process.exit(1);
  }
}

/** Writes `outfile`, in one step: a running copy keeps its own inode. */
export async function compile(target: Target, outfile: string): Promise<void> {
  mkdirSync(dirname(outfile), { recursive: true });
  // Its own folder, and always the same name in it: the name becomes part of the file, and two builds are to be equal.
  const folder = mkdtempSync(join(dirname(outfile), ".build-"));
  const fresh = join(folder, "tsd");
  const { version } = (await Bun.file(join(root, "package.json")).json()) as { version: string };
  try {
    const unprepared = join(folder, "recorded");
    await bundle(target, process.execPath, unprepared, version);
    const order = await recordOrder(unprepared, folder);
    await bundle(target, prepareBase(target), fresh, version, order);
    // In one piece, which huge pages need.
    const finished = join(folder, "finished");
    writeFileSync(finished, alignSegments(readFileSync(fresh)), { mode: 0o755 });
    renameSync(finished, outfile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param order which bytecode lies together (order.ts) */
async function bundle(
  target: Target,
  executablePath: string,
  outfile: string,
  version: string,
  order?: string,
): Promise<void> {
  await Bun.build({
    entrypoints: [join(root, "src/main.ts")],
    root,
    format: "esm",
    minify: true,
    bytecode: true,
    // Chunks that a personality does not import are not read at all: 6.6 ms to start, 17 without.
    splitting: true,
    define: {
      "process.env.TSD_VERSION": JSON.stringify(version),
      "process.env.NODE_ENV": '"production"',
      "process.env.TSD_ARCH": JSON.stringify(target.arch),
    },
    compile: {
      executablePath,
      outfile,
      // It runs as root in other people's folders: nothing that lies there may change it.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      ...(order === undefined ? {} : { bytecodeOrder: order }),
    },
  });
}
