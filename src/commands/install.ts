/** `tsd install`: puts this file, its names, completions and units below a prefix, and notes all it did. */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { errnoMessage } from "../ffi/errno.ts";
import { complain } from "../ffi/host.ts";
import { completions } from "./install/completions.ts";
import {
  beside,
  contentMark,
  fileMark,
  linkMark,
  type Manifest,
  manifestPath,
  markOf,
  readManifest,
  writeManifest,
} from "./install/manifest.ts";
import { units } from "./install/units.ts";
import { PERSONALITIES } from "./personality.ts";

const USAGE = `Usage:  tsd install [OPTIONS]

Install this program, its other names and shell completions

Options:
      --drop-in         Also install docker's, runc's and the other names
      --prefix string   Where to install (default "/usr/local")
      --systemd         Also install the systemd units`;

/** What is to be at a path; `program` is this executable itself. */
type Wanted = { path: string; mark: string } & ({ program: true } | { content: string } | { target: string });

export interface InstallOptions {
  prefix: string;
  systemd: boolean;
  dropIn: boolean;
}

export function parseInstall(
  args: readonly string[],
  usage: string,
  known: readonly string[],
): InstallOptions | undefined {
  const options: InstallOptions = { prefix: "/usr/local", systemd: false, dropIn: false };
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--help" || word === "-h") {
      console.log(usage);
      return undefined;
    }
    const [flag, inline] = word.includes("=")
      ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]
      : [word];
    if (!known.includes(flag!)) {
      complain(`${flag!.startsWith("-") ? "unknown flag" : "unexpected word"}: ${flag}\n\n${usage}`);
      process.exitCode = 125;
      return undefined;
    }
    if (flag === "--prefix") {
      const value = inline ?? args[++at];
      if (!value) {
        complain("flag needs an argument: --prefix");
        process.exitCode = 125;
        return undefined;
      }
      // Paths are written into units and a list of lines.
      if (/[\x00-\x1f\x7f]/.test(value)) {
        complain(`invalid argument ${JSON.stringify(value)} for "--prefix" flag: control characters`);
        process.exitCode = 125;
        return undefined;
      }
      options.prefix = resolve(value);
    } else if (flag === "--systemd") options.systemd = true;
    else options.dropIn = true;
  }
  return options;
}

export async function main(args: string[]): Promise<void> {
  const options = parseInstall(args, USAGE, ["--prefix", "--systemd", "--drop-in"]);
  if (!options) return;
  if (!Bun.main.startsWith("/$bunfs/")) {
    complain(
      "install: only the built program can install itself: run `npm run build`, then dist/tsd install",
    );
    process.exitCode = 1;
    return;
  }
  // Others run and read what is installed, whatever root's umask is.
  process.umask(0o022);
  try {
    await install(options);
  } catch (error) {
    complain(`install: ${reason(error as NodeJS.ErrnoException)}`);
    process.exitCode = 1;
  }
}

/** The system's words for what went wrong, and what helps where it is known. */
export function reason(error: NodeJS.ErrnoException): string {
  const { code, errno, path, syscall, message } = error;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return `${path ?? "a folder"} cannot be written: ${code === "EROFS" ? "it is read-only" : "run it as root, or name another --prefix"}`;
  if (errno === undefined || path === undefined) return message;
  return `${syscall} ${path}: ${errnoMessage(Math.abs(errno))}`;
}

/** One a line, below the prefix: a program and its completions have the same name. */
export const listOf = (prefix: string, paths: readonly string[]): string =>
  paths.map((path) => `  ${relative(prefix, path)}`).join("\n");

async function wanted({ prefix, systemd, dropIn }: InstallOptions): Promise<Wanted[]> {
  const bin = join(prefix, "bin");
  const list: Wanted[] = [{ path: join(bin, "tsd"), mark: fileMark("/proc/self/exe"), program: true }];
  const link = (name: string) => list.push({ path: join(bin, name), mark: linkMark("tsd"), target: "tsd" });
  const file = (path: string, content: string) => list.push({ path, mark: contentMark(content), content });
  for (const [name, { ready, dropIns }] of Object.entries(PERSONALITIES)) {
    if (!ready) continue;
    // `daemon` is a word after tsd, not a program's name.
    if (name !== "tsd" && name !== "daemon") link(name);
    if (dropIn) for (const other of dropIns) link(other);
  }
  for (const [path, content] of Object.entries(await completions())) file(join(prefix, path), content);
  if (systemd) {
    const group = /^docker:/m.test(readFileSync("/etc/group", "utf8")) ? "docker" : "root";
    for (const [name, content] of Object.entries(units(bin, group)))
      file(join(prefix, "lib/systemd/system", name), content);
  }
  return list;
}

async function install(options: InstallOptions): Promise<void> {
  const old = readManifest(options.prefix) ?? { version: 1, entries: [], folders: [] };
  const list = await wanted(options);
  // All is looked at before anything is written.
  const before = new Map<string, string | undefined>();
  for (const { path, mark } of list) {
    const found = markOf(path);
    const ours = old.entries.find((entry) => entry.path === path)?.marks ?? [];
    if (found !== undefined && !ours.includes(found)) {
      throw new Error(`${path} exists and is not ours: nothing was installed`);
    }
    before.set(path, found === mark ? mark : found);
  }

  const folders = [...old.folders];
  const makeFolder = (path: string): void => {
    if (lstatSync(path, { throwIfNoEntry: false })) return;
    makeFolder(dirname(path));
    folders.push(path);
    mkdirSync(path, { mode: 0o755 });
  };
  try {
    for (const path of [manifestPath(options.prefix), ...list.map((each) => each.path)])
      makeFolder(dirname(path));
  } catch (error) {
    for (const folder of folders.slice(old.folders.length).toReversed())
      if (lstatSync(folder, { throwIfNoEntry: false })) rmdirSync(folder);
    throw error;
  }

  const untouched = old.entries.filter((entry) => !before.has(entry.path));
  const note = (entries: Manifest["entries"]) =>
    writeManifest(options.prefix, { version: 1, entries, folders });
  // Noted before it is done, so that an installation that was cut short is undone as well.
  note([
    ...untouched,
    ...list.map(({ path, mark }) => ({ path, marks: [...new Set([mark, before.get(path) ?? mark])] })),
  ]);
  try {
    for (const each of list) {
      if (before.get(each.path) !== each.mark) put(each, before.get(each.path) !== undefined);
    }
  } catch (error) {
    throw new Error(
      `${reason(error as NodeJS.ErrnoException)}; install again, or take away what was installed with: uninstall --prefix ${options.prefix}`,
    );
  }
  note([...untouched, ...list.map(({ path, mark }) => ({ path, marks: [mark] }))]);
  const paths = list.map(({ path }) => path);
  console.log(`installed below ${options.prefix}:\n${listOf(options.prefix, paths)}`);
}

/** Before it takes the place of the one that works. */
function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes it under another name first: a running program is replaced in one step, and a new name never replaces. */
function put(item: Wanted, replaces: boolean): void {
  const fresh = beside(item.path);
  try {
    if ("target" in item) symlinkSync(item.target, fresh);
    else if ("content" in item) writeFileSync(fresh, item.content, { flag: "wx", mode: 0o644 });
    else {
      // In one piece: then the kernel has it in huge pages, where it can (build/huge-pages.ts).
      writeFileSync(fresh, readFileSync("/proc/self/exe"), { flag: "wx" });
      chmodSync(fresh, 0o755);
      sync(fresh);
    }
    if (replaces) renameSync(fresh, item.path);
    else linkSync(fresh, item.path);
  } finally {
    rmSync(fresh, { force: true });
  }
}
