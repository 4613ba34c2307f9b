/**
 * The copy process: started by the engine for one look into a container, ends with it. What a container has mounted
 * (a FUSE of its own, with a server that never answers) may hold up whoever touches it for as long as it likes: here
 * that is nobody else, and it can be left behind. Blocking calls are fine for the same reason.
 */
import { fstatSync, readSync, statSync, writeSync } from "node:fs";
import { posix } from "node:path";
import { close, O, openInRoot } from "../../ffi/fs.ts";
import { sys } from "../../ffi/libc.ts";
import { PR, SIG } from "../../ffi/process.ts";
import { extract } from "../archive/extract.ts";
import { TarReader } from "../archive/read.ts";
import { EngineError } from "../errors.ts";
import { reasonOf } from "../reason.ts";
import { changesOf } from "./changes.ts";
import type { CopyJob, CopyReport, CopyRoot } from "./copy-job.ts";
import { decompressed } from "./decompress.ts";
import { cleanPath } from "./mount-points.ts";
import { pack, packOne, packRoot } from "./pack.ts";
import { bytesOf, isMissing, MODE, type Place, statOf } from "./path-stat.ts";
import { openDirectory, openRunningRoot, openStoppedRoot, readEtc } from "./rootfs.ts";
import { resolveUser } from "./user.ts";

const CHUNK = 256 * 1024;
const NEWLINE = 10;

function* input(): Generator<Buffer> {
  for (;;) {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const got = readSync(0, buffer, 0, CHUNK, null);
    if (got === 0) return;
    yield buffer.subarray(0, got);
  }
}

/** The job, and what comes after it. */
function readJob(): { job: CopyJob; rest: Generator<Uint8Array> } {
  const pieces = input();
  let head = Buffer.alloc(0);
  for (;;) {
    const { done, value } = pieces.next();
    // The engine went away before it had said all.
    if (done) process.exit(1);
    head = Buffer.concat([head, value]);
    const end = head.indexOf(NEWLINE);
    if (end < 0) continue;
    const first = head.subarray(end + 1);
    const rest = function* (): Generator<Uint8Array> {
      if (first.length > 0) yield first;
      yield* pieces;
    };
    return { job: JSON.parse(head.subarray(0, end).toString()), rest: rest() };
  }
}

function write(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

let reported = false;
/** The archive may be on its way. */
let ready = false;

function report(line: CopyReport): void {
  if (line.kind === "ready") ready = true;
  else reported = true;
  write(Buffer.from(`${JSON.stringify(line)}\n`));
}

const ENDED = "the container has ended";

function hasEnded(root: CopyRoot): boolean {
  if (root.kind !== "running") return false;
  const fd = openRunningRoot(root.pid, root.id);
  if (fd !== undefined) close(fd);
  return fd === undefined;
}

/** With a container's end, its mounts leave its root: what was found then may be what lies beneath them. */
function requireStillThere(root: CopyRoot): void {
  if (hasEnded(root)) throw new Error(ENDED);
}

/** Descriptors are not closed: they end with the process. */
function open(root: CopyRoot, path: string): Place {
  if (root.kind === "running") {
    const fd = openRunningRoot(root.pid, root.id);
    if (fd === undefined) throw new Error(ENDED);
    return { root: fd, path };
  }
  const { mount } = root;
  if (mount !== undefined && statSync(mount.source, { throwIfNoEntry: false })?.isDirectory()) {
    return { root: openDirectory(mount.source), path: `/${path.slice(mount.destination.length)}` };
  }
  return { root: openStoppedRoot(root.rootfs), path };
}

function stat({ root, path, asked }: CopyJob & { kind: "stat" }): void {
  const found = statOf(open(root, path), asked);
  requireStillThere(root);
  report({ kind: "done", stat: found });
}

async function archive(job: CopyJob & { kind: "archive" }): Promise<void> {
  const place = open(job.root, job.path);
  const stat = statOf(place, job.asked);
  // Entries are named after the last word of the path asked for; of a folder's `.`, after nothing.
  // The client puts a folder of its own in the place of this word; of the root's, before the slash.
  const last = job.asked.endsWith("/.") ? "." : posix.basename(cleanPath(`/${job.asked}`));
  const top = place.path === "/" && last !== "." ? "" : last;
  let content: AsyncIterable<Uint8Array>;
  if (stat.mode >= MODE.dir) {
    const fd = openInRoot(place.root, bytesOf(place.path), O.RDONLY | O.DIRECTORY);
    const kernel = place.path === "/" ? job.kernel : [];
    content = pack(fd, bytesOf(top), new Set(kernel.map((folder) => top + folder)));
  } else {
    const fd = openInRoot(place.root, bytesOf(posix.dirname(place.path)), O.PATH | O.DIRECTORY);
    content = packOne(fd, bytesOf(posix.basename(place.path)), bytesOf(top));
  }
  requireStillThere(job.root);
  report({ kind: "done", stat });
  for await (const piece of content) write(piece);
}

async function unpack(job: CopyJob & { kind: "extract" }, body: Iterable<Uint8Array>): Promise<void> {
  const { root, path } = open(job.root, job.path);
  const target = openInRoot(root, bytesOf(path), O.PATH);
  close(root);
  if (!fstatSync(target).isDirectory())
    throw new EngineError("invalid", "extraction point is not a directory");
  if (job.refusal !== undefined) throw new EngineError("invalid", job.refusal);
  const { owner } = job;
  requireStillThere(job.root);
  report({ kind: "ready" });
  await extract(new TarReader(decompressed(body)), target, {
    owner: owner && resolveUser(owner.words, [], (file) => readEtc(owner.rootfs, file)),
    keepKinds: job.keepKinds,
    container: { path: bytesOf(job.path), covered: job.covered.map(bytesOf) },
  });
  report({ kind: "done" });
}

async function exportRoot({ root, covered }: CopyJob & { kind: "export" }): Promise<void> {
  const fd = openInRoot(open(root, "/").root, "/", O.RDONLY | O.DIRECTORY);
  const content = packRoot(fd, new Set(covered.map((path) => bytesOf(path.slice(1)))));
  requireStillThere(root);
  report({ kind: "done" });
  for await (const piece of content) write(piece);
}

async function run(job: CopyJob, body: Iterable<Uint8Array>): Promise<void> {
  switch (job.kind) {
    case "stat":
      return stat(job);
    case "archive":
      return archive(job);
    case "extract":
      return unpack(job, body);
    case "export":
      return exportRoot(job);
    case "changes":
      return report({ kind: "done", changes: changesOf(job.rootfs) });
  }
}

function failureOf(error: unknown, job: CopyJob): CopyReport {
  // Whatever it was, the container's end is the reason.
  if (!ready && "root" in job && hasEnded(job.root)) return { kind: "ended" };
  // In an archive, it is not the path asked for that is missing: procfs says so of what cannot be made in it.
  if (!ready && isMissing(error)) return { kind: "missing" };
  const kind = error instanceof EngineError ? error.kind : "internal";
  return { kind: "failed", error: kind, message: reasonOf(error) };
}

/** Ends with 1 when what it has written is not all there should be. */
export async function main(): Promise<void> {
  // A daemon that is killed must not leave us reading, or writing, for nobody.
  sys("prctl", PR.PR_SET_PDEATHSIG, SIG.SIGKILL);
  // Modes are those of the archive, whatever the daemon's umask.
  process.umask(0);
  const { job, rest } = readJob();
  try {
    await run(job, rest);
  } catch (error) {
    // In the middle of an archive there is no place for it.
    if (reported) console.error(reasonOf(error));
    else report(failureOf(error, job));
    process.exit(1);
  }
  process.exit(0);
}
