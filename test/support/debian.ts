/** A Debian image out of debootstrap, and any folder as an image's archive. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Kept between runs: making it takes a minute. */
const CACHE = join(process.env.TSD_TEST_CACHE ?? "/var/cache/tsd-test", "debian-bookworm-1");
const ARCHIVE = join(import.meta.dir, "../vm/archive");

async function run(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${error || out.slice(-2000)}`);
}

/** An archive for `docker load` and skopeo, with Debian in one layer, named `debian:bookworm`. */
export async function debianArchive(): Promise<string> {
  const archive = join(CACHE, "debian.tar");
  if (existsSync(archive)) return archive;
  const root = join(CACHE, "root");
  rmSync(CACHE, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  await run("debootstrap", "--variant=minbase", "bookworm", root);
  rmSync(join(root, "var/cache/apt"), { recursive: true, force: true });
  rmSync(join(root, "var/lib/apt/lists"), { recursive: true, force: true });
  await run("bash", ARCHIVE, root, "debian:bookworm", `${archive}.part`);
  renameSync(`${archive}.part`, archive);
  rmSync(root, { recursive: true, force: true });
  return archive;
}
