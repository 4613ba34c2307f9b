/**
 * The Bun executable that a finished file is made of: this machine's from node_modules, another platform's by npm,
 * held against the checksum in package-lock.json, with the names in build/environment.ts,
 * the engine's thresholds (build/thresholds.ts), what it warms up (build/warm-up.ts) and its allocator's thread
 * (build/scavenger.ts) overwritten.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ignoreEngineSwitches, overwriteNames } from "./environment.ts";
import { scavengeNothing } from "./scavenger.ts";
import { hostTarget, type Target } from "./target.ts";
import { compileLater } from "./thresholds.ts";
import { warmUpNothing } from "./warm-up.ts";

const root = join(import.meta.dir, "..");
const cache = join(root, "node_modules/.cache/tsd");

interface Locked {
  version: string;
  integrity: string;
}

function locked(name: string): Locked {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  const entry = lock.packages[`node_modules/${name}`];
  if (entry === undefined) throw new Error(`package-lock.json does not know ${name}`);
  return entry;
}

function run(command: string[], cwd: string): string {
  const done = Bun.spawnSync(command, { cwd, stderr: "pipe" });
  if (!done.success) throw new Error(`${command.join(" ")}: ${done.stderr.toString().trim()}`);
  return done.stdout.toString();
}

/** Fetches a package as npm would install it, and unpacks its executable. */
function fetchBase(name: string): Buffer {
  const { version, integrity } = locked(name);
  mkdirSync(cache, { recursive: true });
  const kept = join(cache, `${name.replace(/\W+/g, "-")}-${version}.tgz`);
  if (!existsSync(kept)) {
    const folder = mkdtempSync(join(cache, "fetch-"));
    try {
      const [packed] = JSON.parse(run(["npm", "pack", "--json", `${name}@${version}`], folder)) as {
        filename: string;
      }[];
      renameSync(join(folder, packed!.filename.replace(/^@/, "").replace("/", "-")), kept);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const archive = readFileSync(kept);
  const [algorithm, expected] = integrity.split("-", 2);
  if (createHash(algorithm!).update(archive).digest("base64") !== expected) {
    rmSync(kept);
    throw new Error(`${name}@${version} is not what package-lock.json names: removed, run this again`);
  }
  const unpacked = Bun.spawnSync(["tar", "-xzOf", kept, "package/bin/bun"]);
  if (!unpacked.success) throw new Error(`${kept}: ${unpacked.stderr.toString().trim()}`);
  return Buffer.from(unpacked.stdout);
}

/** @returns the path of an executable that holds no program yet, ready for `bun build --compile`. */
export function prepareBase(target: Target): string {
  const file = target === hostTarget() ? readFileSync(process.execPath) : fetchBase(target.base);
  for (const [name, count] of overwriteNames(file)) {
    if (count === 0)
      throw new Error(`${target.base} does not hold ${name}: build/environment.ts is out of date`);
  }
  ignoreEngineSwitches(file, target.arch);
  compileLater(file);
  warmUpNothing(file, target.arch);
  scavengeNothing(file);
  mkdirSync(cache, { recursive: true });
  const path = join(cache, `base-${target.arch}-${target.libc}`);
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, file, { mode: 0o755 });
  renameSync(fresh, path);
  return path;
}
