/**
 * `docker cp`, export and diff: what is at a path of a container, out of it and into it. Every path is resolved by the
 * kernel below the container's root, which may be changing (CVE-2018-15664), no program or library of the
 * container's is loaded (CVE-2019-14271), and the engine itself touches none of it: see `copy-worker.ts`.
 */
import { EngineError } from "../errors.ts";
import type { ByteStream, PathStat } from "../services.ts";
import type { Change } from "./changes.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit, notRunning } from "./context.ts";
import type { CopyRoot } from "./copy-job.ts";
import { copy, look, RootEnded } from "./copy-process.ts";
import { cleanPath, type MountPoint } from "./mount-points.ts";
import { isRunning, NEVER } from "./state.ts";
import { noSuchContainer } from "./store.ts";

/** The deepest mount of the container that a path lies in. */
function mountOf(container: Container, path: string): MountPoint | undefined {
  return container.record.mounts
    .filter(
      ({ destination }) =>
        path === destination || path.startsWith(`${destination === "/" ? "" : destination}/`),
    )
    .sort((a, b) => b.destination.length - a.destination.length)[0];
}

function rootOf(ctx: ContainerContext, container: Container, path: string): CopyRoot {
  const { id, state } = container;
  if (isRunning(state)) return { kind: "running", pid: state.pid, id };
  const mount = mountOf(container, path);
  return {
    kind: "stopped",
    rootfs: ctx.images.rootfs(id),
    ...(mount && mount.type !== "tmpfs" && { mount }),
  };
}

/** Between the end of a process and the news of it lie milliseconds, or the start of another shim on a busy machine. */
const END_PATIENCE_MS = 30_000;

/** @throws EngineError conflict when no news come */
async function hearEnd(container: Container, pid: number, signal: AbortSignal | undefined): Promise<void> {
  const late = AbortSignal.timeout(END_PATIENCE_MS);
  await container
    .until(() => container.state.pid !== pid, signal ? AbortSignal.any([signal, late]) : late)
    .catch(() => {
      throw signal?.aborted ? new EngineError("cancelled", "context canceled") : notRunning(container);
    });
}

interface Look<T> {
  path: string;
  signal: AbortSignal | undefined;
  work(container: Container, root: CopyRoot): Promise<T>;
}

/**
 * The layer of one that does not run is mounted for the look: its start, which mounts it too, has to wait. One that runs
 * and ends meanwhile is looked into as it is then.
 */
async function within<T>(ctx: ContainerContext, name: string, { path, signal, work }: Look<T>): Promise<T> {
  const container = ctx.store.find(name);
  const run = (): Promise<T> => work(container, rootOf(ctx, container, path));
  for (;;) {
    const { state } = container;
    if (!isRunning(state)) {
      const done = await container.exclusive(async () => {
        if (container.removed) throw noSuchContainer(name);
        // Started meanwhile: its end could not be told of while nothing else may be done with it.
        return isRunning(container.state) ? undefined : { found: await run() };
      });
      if (done !== undefined) return done.found;
      continue;
    }
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof RootEnded)) throw error;
      await hearEnd(container, state.pid, signal);
    }
  }
}

const absolute = (path: string): string => cleanPath(`/${path}`);
const missing = (name: string, path: string): string =>
  `Could not find the file ${path} in container ${name}`;

export function statPath(
  ctx: ContainerContext,
  name: string,
  asked: string,
  signal?: AbortSignal,
): Promise<PathStat> {
  const path = absolute(asked);
  const work = async (_: Container, root: CopyRoot): Promise<PathStat> => {
    const done = await look({ kind: "stat", root, path, asked }, { signal, missing: missing(name, asked) });
    return done.stat!;
  };
  return within(ctx, name, { path, signal, work });
}

/** What the kernel makes up is no file to be copied, and reading it fails or never ends. */
const KERNEL_FOLDERS = ["/proc", "/sys", "/dev"];

export function archive(
  ctx: ContainerContext,
  name: string,
  asked: string,
  signal?: AbortSignal,
): Promise<{ stat: PathStat; content: ByteStream }> {
  const path = absolute(asked);
  const work = async (container: Container, root: CopyRoot) => {
    const own = container.record.mounts.map(({ destination }) => destination);
    const kernel = KERNEL_FOLDERS.filter((folder) => !own.includes(folder));
    const { done, content } = await copy(
      { kind: "archive", root, path, asked, kernel },
      { signal, missing: missing(name, asked) },
    );
    emit(ctx, container, "archive-path");
    return { stat: done.stat!, content };
  };
  return within(ctx, name, { path, signal, work });
}

/** Why nothing may be written at a path, if so. */
function refusal(container: Container, path: string): string | undefined {
  const mount = mountOf(container, path);
  if (mount !== undefined) return mount.rw ? undefined : "mounted volume is marked read-only";
  return container.record.hostConfig.ReadonlyRootfs ? "container rootfs is marked read-only" : undefined;
}

/** What every container gets of its own. */
const MOUNTED_FILES = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/** What a copy into a container that does not run would put where no run of it sees it. One that never ran has no files yet. */
function coveredAtRest({ record, state }: Container): string[] {
  const own = record.mounts.filter(({ type }) => type !== "tmpfs").map(({ destination }) => destination);
  return state.startedAt === NEVER ? own : [...own, ...MOUNTED_FILES];
}

export function extract(
  ctx: ContainerContext,
  name: string,
  asked: string,
  body: ReadableStream<Uint8Array>,
  options: { noOverwriteDirNonDir: boolean; copyUidGid: boolean; signal?: AbortSignal },
): Promise<void> {
  const path = absolute(asked);
  const { signal } = options;
  const work = async (container: Container, root: CopyRoot): Promise<void> => {
    const refused = refusal(container, path);
    const owner = { words: container.record.config.User, rootfs: ctx.images.rootfs(container.id) };
    await look(
      {
        kind: "extract",
        root,
        path,
        ...(refused !== undefined && { refusal: refused }),
        ...(options.copyUidGid && { owner }),
        keepKinds: options.noOverwriteDirNonDir,
        covered: root.kind === "stopped" ? coveredAtRest(container) : [],
      },
      { signal, body, missing: missing(name, asked) },
    );
    emit(ctx, container, "extract-to-dir");
  };
  return within(ctx, name, { path, signal, work });
}

/** The whole file system of a container as one archive. */
export function exportRoot(ctx: ContainerContext, name: string, signal?: AbortSignal): Promise<ByteStream> {
  const work = async (container: Container, root: CopyRoot): Promise<ByteStream> => {
    // Of one that runs everything mounted is seen there; docker exports what lies beneath.
    const covered = [...MOUNTED_FILES, ...container.record.mounts.map(({ destination }) => destination)];
    const { content } = await copy(
      { kind: "export", root, covered },
      { signal, missing: missing(name, "/") },
    );
    emit(ctx, container, "export");
    return content;
  };
  return within(ctx, name, { path: "/", signal, work });
}

/** What the writable layer has that the image has not, and the reverse; a container can make that very much. */
export async function changes(
  ctx: ContainerContext,
  name: string,
  signal?: AbortSignal,
): Promise<Change[] | null> {
  const container = ctx.store.find(name);
  await container.prepared?.drop();
  const rootfs = ctx.images.rootfs(container.id);
  const found = await look({ kind: "changes", rootfs }, { signal }).catch((error: unknown) => {
    throw container.removed ? noSuchContainer(name) : error;
  });
  // Of layers that are being removed, anything may have been missing.
  if (container.removed) throw noSuchContainer(name);
  return found.changes ?? null;
}
