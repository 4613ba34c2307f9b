/**
 * `docker cp`, export and diff: what is at a path of a container, out of it and into it. Every path is resolved by the
 * kernel below the container's root, which may be changing (CVE-2018-15664), no program or library of the
 * container's is loaded (CVE-2019-14271), and the engine itself touches none of it: see `copy-worker.ts`.
 */
import type { ByteStream, PathStat } from "../services.ts";
import type { Change } from "./changes.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit } from "./context.ts";
import type { CopyRoot } from "./copy-job.ts";
import { copy, look } from "./copy-process.ts";
import { cleanPath, type MountPoint } from "./mount-points.ts";
import { isRunning } from "./state.ts";

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

/** The layer of one that does not run is mounted for the look: its start, which mounts it too, has to wait. */
async function within<T>(
  ctx: ContainerContext,
  name: string,
  path: string,
  work: (container: Container, root: CopyRoot) => Promise<T>,
): Promise<T> {
  const container = ctx.store.find(name);
  const run = (): Promise<T> => work(container, rootOf(ctx, container, path));
  return isRunning(container.state) ? run() : container.exclusive(run);
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
  return within(ctx, name, path, async (_, root) => {
    const done = await look({ kind: "stat", root, path, asked }, { signal, missing: missing(name, asked) });
    return done.stat!;
  });
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
  return within(ctx, name, path, async (container, root) => {
    const own = container.record.mounts.map(({ destination }) => destination);
    const kernel = KERNEL_FOLDERS.filter((folder) => !own.includes(folder));
    const { done, content } = await copy(
      { kind: "archive", root, path, asked, kernel },
      { signal, missing: missing(name, asked) },
    );
    emit(ctx, container, "archive-path");
    return { stat: done.stat!, content };
  });
}

/** Why nothing may be written at a path, if so. */
function refusal(container: Container, path: string): string | undefined {
  const mount = mountOf(container, path);
  if (mount !== undefined) return mount.rw ? undefined : "mounted volume is marked read-only";
  return container.record.hostConfig.ReadonlyRootfs ? "container rootfs is marked read-only" : undefined;
}

export function extract(
  ctx: ContainerContext,
  name: string,
  asked: string,
  body: ReadableStream<Uint8Array>,
  options: { noOverwriteDirNonDir: boolean; copyUidGid: boolean; signal?: AbortSignal },
): Promise<void> {
  const path = absolute(asked);
  return within(ctx, name, path, async (container, root) => {
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
      },
      { signal: options.signal, body, missing: missing(name, asked) },
    );
    emit(ctx, container, "extract-to-dir");
  });
}

/** What every container gets of its own. */
const MOUNTED_FILES = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/** The whole file system of a container as one archive. */
export function exportRoot(ctx: ContainerContext, name: string, signal?: AbortSignal): Promise<ByteStream> {
  return within(ctx, name, "/", async (container, root) => {
    // Of one that runs everything mounted is seen there; docker exports what lies beneath.
    const covered = [...MOUNTED_FILES, ...container.record.mounts.map(({ destination }) => destination)];
    const { content } = await copy(
      { kind: "export", root, covered },
      { signal, missing: missing(name, "/") },
    );
    emit(ctx, container, "export");
    return content;
  });
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
  const { changes: found } = await look({ kind: "changes", rootfs }, { signal });
  return found ?? null;
}
