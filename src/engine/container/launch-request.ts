/** What the shim is asked for at a start, out of a container's row. */
import { mkdirSync, writeFileSync } from "node:fs";
import type { Attached } from "../network/attach.ts";
import type { Spec } from "../runtime/spec.ts";
import type { LaunchRequest } from "../shim/types.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, filesOf } from "./context.ts";
import { readEtc, unsynced } from "./rootfs.ts";
import { makeShm, sharedShm } from "./shm.ts";
import { buildSpec, type Joined } from "./spec.ts";
import { makeBindSources, type NetworkFiles } from "./spec-mounts.ts";
import { resolveUser } from "./user.ts";
import { joinedContainer } from "./validate.ts";

/** Files that Docker binds over /etc; one that shares another's network shares these with it. */
export function networkFiles(ctx: ContainerContext, container: Container): NetworkFiles {
  const donor = joinedContainer(container.record.hostConfig.NetworkMode);
  if (donor !== undefined) {
    const { hostname, hosts, resolvConf } = filesOf(ctx, ctx.store.find(donor).id);
    return { hostname, hosts, resolvConf };
  }
  const { folder, hostname, hosts, resolvConf } = filesOf(ctx, container.id);
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  return { hostname, hosts, resolvConf };
}

const FOLDER_MODE = 0o710;

/** A new container's folder. Its files are bound as they are: the start writes into them. */
export function makeContainerFolder(path: string): void {
  mkdirSync(path, { mode: FOLDER_MODE });
  for (const name of ["hostname", "hosts", "resolv.conf"])
    writeFileSync(`${path}/${name}`, "", { mode: 0o644 });
}

/** A disk of the host's, say. */
const mayMount = ({ process }: Spec): boolean =>
  process?.capabilities?.bounding?.includes("CAP_SYS_ADMIN") ?? false;

/** What the container was made for and joins. */
export interface LaunchInput {
  joins: Joined;
  files: NetworkFiles;
  attached: Attached;
  /** It was made just now: nobody else has been in it. */
  isNew?: boolean;
}

export function launchRequest(
  ctx: ContainerContext,
  container: Container,
  { joins, files, attached, isNew }: LaunchInput,
): LaunchRequest {
  const { id, record } = container;
  const { config, hostConfig: h } = record;
  const rootfs = ctx.images.rootfs(id);
  makeBindSources(record.mounts);
  makeShm(ctx, container);
  const etc = { images: ctx.etc, isNew };
  const user = resolveUser(config.User, h.GroupAdd ?? [], (path) => readEtc(rootfs, path, etc));
  const spec = buildSpec({
    id,
    record,
    user,
    files,
    joined: joins,
    netns: attached.netns,
    sharedShm: sharedShm(ctx, container),
    linkVariables: ctx.networks.linkVariables(container),
    host: ctx.host,
  });
  const stdin = { stdin: config.OpenStdin, stdinOnce: config.StdinOnce };
  const [rows, cols] = h.ConsoleSize;
  return {
    id,
    spec,
    ...(record.mounts.length === 0 && !mayMount(spec) && { ownMounts: true }),
    rootfs: h.AutoRemove ? unsynced(rootfs) : rootfs,
    io: config.Tty ? { kind: "pty", ...stdin, cols, rows } : { kind: "pipes", ...stdin },
    log:
      h.LogConfig.Type === "none"
        ? { driver: "none" }
        : { driver: "json-file", path: filesOf(ctx, id).log, options: h.LogConfig.Config },
    // A pid 1 of its own makes sense only in a pid namespace of its own.
    init: (h.Init ?? ctx.init) && h.PidMode === "",
    ...(attached.names && { names: attached.names }),
  };
}
