/** `cp`: copies between a container and this machine. */
import { createReadStream, existsSync, lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { type ApiClient, ApiError } from "../engine/api/client.ts";
import { isatty } from "./support/builtin.ts";
import type { Command, Context } from "./support/command.ts";
import { absolute, arrange, type Place, rebase, splitArgument, splitEntry } from "./support/copy/paths.ts";
import { decodeStat, statPath } from "./support/copy/stat.ts";
import { Failure } from "./support/failure.ts";
import { bool } from "./support/flags.ts";
import { err, writeAll } from "./support/output.ts";
import { pathWord } from "./support/path-word.ts";
import { humanSize } from "./support/units.ts";

interface Copy {
  readonly api: ApiClient;
  readonly container: string;
  readonly source: string;
  readonly target: string;
  readonly followLink: boolean;
  readonly archive: boolean;
  readonly quiet: boolean;
}

export const command: Command = {
  use: ["[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-", "[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"],
  short: "Copy files between a container and this machine",
  long: "Copy files between a container and this machine\n\nWith '-' as the source, a tar archive is read from STDIN and unpacked in a folder of the\ncontainer; with '-' as the destination, the container's files go to STDOUT as a tar archive.",
  arity: { exact: 2 },
  flags: [
    bool("archive", "a", "Archive mode (copy all uid/gid information)"),
    bool("follow-link", "L", "Always follow symbol link in SRC_PATH"),
    bool("quiet", "q", "Suppress progress output; as if given when there is no terminal"),
  ],
  async run(context) {
    const [source, target] = context.args as [string, string];
    if (source === "") throw new Failure("source can not be empty");
    if (target === "") throw new Failure("destination can not be empty");
    const from = splitArgument(source);
    const to = splitArgument(target);
    if (from.container !== "" && to.container !== "")
      throw new Failure("copying between containers is not supported");
    if (from.container !== "")
      return fromContainer(await options(context, from.container, from.path, to.path));
    if (to.container !== "") return toContainer(await options(context, to.container, from.path, to.path));
    throw new Failure("must specify at least one container source");
  },
};

async function options(
  { flags, client }: Context,
  container: string,
  source: string,
  target: string,
): Promise<Copy> {
  return {
    api: await client(),
    container,
    source,
    target,
    followLink: flags.bool("follow-link"),
    archive: flags.bool("archive"),
    quiet: flags.has("quiet") ? flags.bool("quiet") : !isatty(1),
  };
}

async function fromContainer(copy: Copy): Promise<void> {
  const { api, container } = copy;
  const target = copy.target === "-" ? "-" : absolute(copy.target);
  if (target !== "-") checkOutput(target);
  let source = copy.source;
  let renamed: string | undefined;
  if (copy.followLink) {
    const stat = await statPath(api, container, source).catch(() => undefined);
    if (stat?.isLink) {
      const { folder, base } = splitEntry(source);
      renamed = base === "." ? undefined : base;
      source = isAbsolute(stat.linkTarget) ? stat.linkTarget : join(folder, stat.linkTarget);
    }
  }
  const answer = await api.request("GET", `/containers/${pathWord(container)}/archive`, {
    query: { path: source },
  });
  if (target === "-") {
    await answer.body.each((bytes) => writeAll(1, bytes));
    return;
  }
  const stat = decodeStat(answer.headers.get("x-docker-container-path-stat"));
  const place = arrange({ path: source, isFolder: stat.isFolder }, localPlace(target));
  const to = renamed !== undefined && place.from === place.to ? renamed : place.to;
  const size = await unpack(answer.body.pieces(), place.folder, place.from, to);
  if (!copy.quiet) err(`Successfully copied ${humanSize(size, 3)} to ${target}\n`);
}

/** Unpacks below a folder that exists, with the first name exchanged. Everything belongs to who runs this. */
async function unpack(
  pieces: AsyncIterable<Uint8Array>,
  folder: string,
  from: string,
  to: string,
): Promise<number> {
  const [{ TarReader }, { extract }, { AT, close, O, openAt }] = [
    await import("../engine/archive/read.ts"),
    await import("../engine/archive/extract.ts"),
    await import("../ffi/fs.ts"),
  ];
  let size = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      size += piece.length;
      yield piece;
    }
  };
  class Renaming extends TarReader {
    override async next(): ReturnType<InstanceType<typeof TarReader>["next"]> {
      const entry = await super.next();
      if (!entry) return entry;
      const linkname = entry.type === "link" ? rebase(entry.linkname, from, to) : entry.linkname;
      return { ...entry, name: rebase(entry.name, from, to), linkname };
    }
  }
  const root = openAt(AT.FDCWD, realpathSync(folder), O.RDONLY | O.DIRECTORY);
  try {
    await extract(new Renaming(counted()), root, {
      keepKinds: true,
      owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    });
  } finally {
    close(root);
  }
  return size;
}

function checkOutput(path: string): void {
  const folder = dirname(path.replace(/(.)\/+$/, "$1"));
  if (!existsSync(folder))
    throw new Failure(`invalid output path: directory ${JSON.stringify(folder)} does not exist`);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found && (found.isCharacterDevice() || found.isBlockDevice()))
    throw new Failure(
      `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got a device`,
    );
}

/** A link as the destination means what it points to, also when that is not there yet. */
function localPlace(path: string): Place {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found) return { path, exists: true, isFolder: found.isDirectory() };
  return { path, exists: false, isFolder: false };
}

/** What Docker's client looked for in vain: the first folder on the way, or the last word in its folder. */
function missingOf(source: string): string {
  const end = source.lastIndexOf("/");
  let folder = "";
  for (const name of source.slice(0, end).split("/")) {
    if (name === "") continue;
    folder += `/${name}`;
    if (!existsSync(folder)) return folder;
  }
  return `${realpathSync(folder || "/")}/${source.slice(end + 1)}`;
}

async function toContainer(copy: Copy): Promise<void> {
  const { api, container } = copy;
  const target = await containerPlace(copy);
  let folder = target.path;
  let body: AsyncIterable<Uint8Array>;
  let size = 0;
  if (copy.source === "-") {
    if (!target.isFolder) throw new Failure(`destination "${container}:${copy.target}" must be a directory`);
    body = createReadStream("", {
      fd: 0,
      autoClose: false,
      highWaterMark: 1 << 18,
    }) as AsyncIterable<Uint8Array>;
  } else {
    const source = absolute(copy.source);
    const found = lstatSync(source, { throwIfNoEntry: false });
    if (!found) throw new Failure(`lstat ${missingOf(source)}: no such file or directory`);
    // The link itself is copied, under its own name, unless it is to be followed.
    const real = copy.followLink ? realpathSync(source) : source;
    const isFolder = copy.followLink ? statSync(real).isDirectory() : found.isDirectory();
    const place = arrange(
      {
        path:
          copy.followLink && splitEntry(source).base !== "." ? join(dirname(real), basename(source)) : source,
        isFolder,
      },
      target,
    );
    folder = place.folder;
    const { pack } = await import("./support/copy/pack.ts");
    const packed = pack(real.replace(/(.)\/\.?$/, "$1"), place.to);
    body = (async function* () {
      for await (const piece of packed) {
        size += piece.length;
        yield piece;
      }
    })();
  }
  const query = { path: folder, noOverwriteDirNonDir: "true", copyUIDGID: copy.archive ? "true" : undefined };
  await api.send("PUT", `/containers/${pathWord(container)}/archive`, { query, body });
  if (!copy.quiet) err(`Successfully copied ${humanSize(size, 3)} to ${container}:${copy.target}\n`);
}

async function containerPlace({ api, container, target }: Copy): Promise<Place> {
  const look = async (path: string) => {
    try {
      return await statPath(api, container, path);
    } catch (error) {
      // What is not there may be made; anything else the daemon will say again.
      if (error instanceof ApiError) return undefined;
      throw error;
    }
  };
  let path = target;
  let stat = await look(path);
  if (stat?.isLink) {
    path = isAbsolute(stat.linkTarget) ? stat.linkTarget : join(splitEntry(path).folder, stat.linkTarget);
    stat = await look(path);
  }
  return { path, exists: stat !== undefined, isFolder: stat?.isFolder ?? false };
}
