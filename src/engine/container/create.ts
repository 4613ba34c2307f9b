/** POST /containers/create: checks everything, writes one row, makes the writable layer. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { EngineError } from "../errors.ts";
import type { ResolvedImage } from "../image/types.ts";
import { nowNs } from "../log/time.ts";
import { isUserDefined, parseLink } from "../network/settings.ts";
import { formatTook, Stopwatch } from "../stopwatch.ts";
import { prepareStart } from "./ahead.ts";
import type { ContainerConfig, CreateBody, HostConfig } from "./config.ts";
import { Container, type ContainerRecord } from "./container.ts";
import { type ContainerContext, emit, filesOf } from "./context.ts";
import { READONLY_PATHS } from "./host.ts";
import { validateLogConfig } from "./log-config.ts";
import { commandOf, mergeImageConfig } from "./merge.ts";
import { cleanPath, type MountPoint, mountPointOf, parseBind } from "./mount-points.ts";
import { checkName } from "./names.ts";
import { normalizeBody } from "./normalize.ts";
import { populateVolumes } from "./populate.ts";
import { markAsContainer } from "./rootfs.ts";
import { NEW_STATE, timeOf } from "./state.ts";
import { refuseUnsupported } from "./unsupported.ts";
import { applyDefaults, joinedContainer, validateCreate } from "./validate.ts";

export interface CreateRequest {
  name?: string;
  platform?: string;
  body: CreateBody;
}

/** Runs checks that throw plain errors: they become the client's mistake. */
function asInvalid<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("invalid", (error as Error).message, { cause: error });
  }
}

const hasConfig = (body: CreateBody): boolean =>
  Object.keys(body).some((key) => key !== "HostConfig" && key !== "NetworkingConfig");

/** `container:NAME` becomes `container:ID`, so that a rename does not cut the tie. */
function pinJoined(ctx: ContainerContext, h: HostConfig): void {
  for (const field of ["NetworkMode", "IpcMode", "PidMode"] as const) {
    const name = joinedContainer(h[field]);
    // For IPC and PID Docker looks for SELinux labels, and so fails early; for the network only at start.
    if (name === undefined) continue;
    try {
      h[field] = `container:${ctx.store.find(name).id}`;
    } catch (error) {
      if (field !== "NetworkMode")
        throw new EngineError("invalid", (error as Error).message, { cause: error });
    }
  }
}

/** `NAME:ALIAS` becomes `ID:ALIAS`. In networks of users', links are of their endpoints. */
function pinLinks(ctx: ContainerContext, h: HostConfig): void {
  if (isUserDefined(h.NetworkMode)) return;
  h.Links =
    h.Links?.map((link) => {
      const { name, alias } = parseLink(link);
      let child: Container;
      try {
        child = ctx.store.find(name);
        for (let donor = donorOf(child); donor !== undefined; donor = donorOf(child)) {
          child = ctx.store.find(donor);
        }
      } catch (error) {
        throw new EngineError("invalid", `could not get container for ${name}: ${(error as Error).message}`, {
          cause: error,
        });
      }
      if (child.record.hostConfig.NetworkMode === "host") {
        throw new EngineError(
          "invalid",
          "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        );
      }
      return `${child.id}:${alias}`;
    }) ?? null;
}

const donorOf = ({ record }: Container): string | undefined => joinedContainer(record.hostConfig.NetworkMode);

function collectMounts(config: ContainerConfig, h: HostConfig, dataRoot: string): MountPoint[] {
  const mounts = new Map<string, MountPoint>();
  const asked = new Set<string>();
  const duplicate = (target: string): EngineError =>
    new EngineError("invalid", `Duplicate mount point: ${target}`);
  for (const bind of h.Binds ?? []) {
    let mount: MountPoint;
    try {
      mount = parseBind(bind);
    } catch (error) {
      // Docker lets this one through as a failure of its own, and clients see 500.
      throw new EngineError("internal", (error as Error).message, { cause: error });
    }
    if (asked.has(mount.destination) || h.Tmpfs?.[mount.destination] !== undefined)
      throw duplicate(mount.destination);
    asked.add(mount.destination);
    mounts.set(mount.destination, mount);
  }
  for (const spec of h.Mounts ?? []) {
    const mount = asInvalid(() => mountPointOf(spec));
    if (asked.has(mount.destination)) throw duplicate(spec.Target ?? "");
    asked.add(mount.destination);
    mounts.set(mount.destination, mount);
  }
  for (const mount of mounts.values()) {
    if (mount.type === "volume") mount.mode ||= "z";
    // The engine's own mounts come and go below its root: the container must not hold on to them.
    if (mount.type === "bind" && !mount.explicitPropagation && isAbove(mount.source, dataRoot))
      mount.propagation = "rslave";
  }
  for (const target of Object.keys(config.Volumes ?? {})) {
    const destination = cleanPath(target.startsWith("/") ? target : `/${target}`);
    if (mounts.has(destination) || h.Tmpfs?.[destination] !== undefined) continue;
    mounts.set(destination, {
      type: "volume",
      source: "",
      destination,
      mode: "",
      rw: true,
      propagation: "",
      copyData: true,
    });
  }
  return [...mounts.values()];
}

const isAbove = (path: string, below: string): boolean =>
  below === path || below.startsWith(path === "/" ? "/" : `${path}/`);

function platformWarning(image: ResolvedImage, architecture: string): string | undefined {
  if (image.architecture === architecture && image.os === "linux") return undefined;
  const format = [image.os, image.architecture, image.variant].filter(Boolean).join("/");
  return `The requested image's platform (${format}) does not match the detected host platform (linux/${architecture}) and no specific platform was requested`;
}

const OLD_LINKS =
  "Links on the default bridge network are deprecated and will be removed in a future release. Use a custom network instead.";

/** Everything that can be wrong with the request, before anything is made. */
function check(ctx: ContainerContext, { name, platform, body }: CreateRequest) {
  if (!hasConfig(body))
    throw new EngineError("invalid", "config cannot be empty in order to create a container");
  const { config, hostConfig } = normalizeBody(body);
  const { warnings } = asInvalid(() => validateCreate(config, hostConfig, ctx.host, ctx.runtimes));
  refuseUnsupported(config, hostConfig, ctx.host);
  const image = config.Image === "" ? undefined : ctx.images.resolve(config.Image, platform);
  if (image !== undefined) {
    const warning = platform === undefined ? platformWarning(image, ctx.host.architecture) : undefined;
    if (warning !== undefined) warnings.push(warning);
  }
  applyDefaults(hostConfig, ctx.host);
  pinJoined(ctx, hostConfig);
  if (image !== undefined) mergeImageConfig(config, image.config);
  const command = asInvalid(() => commandOf(config));
  if (image === undefined) throw new EngineError("invalid", "an image is needed to create a container");
  asInvalid(() => validateLogConfig(hostConfig.LogConfig, ctx.defaultLog));
  const checkedName = name ? checkName(name) : undefined;
  if (checkedName !== undefined) ctx.store.requireFree(checkedName);
  if (!hostConfig.Privileged) {
    hostConfig.MaskedPaths ??= ctx.host.maskedPaths;
    hostConfig.ReadonlyPaths ??= [...READONLY_PATHS];
  }
  const networks = ctx.networks.settings(hostConfig.NetworkMode, body.NetworkingConfig?.EndpointsConfig);
  if (hostConfig.NetworkMode === "bridge" && hostConfig.Links) warnings.push(OLD_LINKS);
  pinLinks(ctx, hostConfig);
  const mounts = collectMounts(config, hostConfig, ctx.dataRoot);
  const shares = joinedContainer(hostConfig.NetworkMode) !== undefined || config.NetworkDisabled;
  return {
    config,
    hostConfig,
    image,
    command,
    mounts,
    networks: shares ? {} : networks,
    warnings,
    name: checkedName,
  };
}

/** Who shares a network shares the names on it, too. */
function nameHost(ctx: ContainerContext, config: ContainerConfig, h: HostConfig, id: string): void {
  const donor = ctx.store.byId(joinedContainer(h.NetworkMode) ?? "")?.record.config;
  if (donor !== undefined) {
    config.Hostname = donor.Hostname;
    config.Domainname = donor.Domainname;
  } else if (config.Hostname === "") {
    config.Hostname = h.NetworkMode === "host" ? ctx.host.hostname() : id.slice(0, 12);
  }
}

export async function create(
  ctx: ContainerContext,
  request: CreateRequest,
): Promise<{ Id: string; Warnings: string[] }> {
  const watch = new Stopwatch();
  const { config, hostConfig, image, command, mounts, networks, warnings, name } = check(ctx, request);
  watch.step("checks");
  const id = randomBytes(32).toString("hex");
  nameHost(ctx, config, hostConfig, id);
  const volumes = mounts.filter((mount) => mount.type === "volume");
  for (const volume of volumes) {
    volume.name = randomBytes(32).toString("hex");
    volume.driver = "local";
    volume.source = ctx.volumes.make(volume.name);
  }
  const record: ContainerRecord = {
    created: timeOf(nowNs()),
    path: command.path,
    args: command.args,
    config,
    hostConfig,
    image: {
      id: image.id,
      manifest: image.manifest,
      architecture: image.architecture,
      os: image.os,
      variant: image.variant,
    },
    mounts,
    networks,
  };
  const container = new Container(id, name ?? ctx.store.freeName(id), record, { ...NEW_STATE });
  try {
    // Files before rows: after a crash between them there are files that no row claims, which start-up sweeps.
    markAsContainer(ctx.images.prepare(id, image));
    watch.step("layer");
    prepareStart(ctx, container);
    watch.step("start");
    ctx.store.add(container, () => {
      ctx.images.claim(id);
      for (const volume of volumes) ctx.volumes.record(volume.name!, id);
    });
  } catch (error) {
    await unmake(ctx, container);
    throw error;
  }
  for (const volume of volumes) ctx.volumes.created(volume.name!);
  const toFill = volumes.filter((volume) => volume.copyData);
  if (toFill.length > 0) await container.exclusive(() => populateVolumes(ctx.images.rootfs(id), toFill));
  watch.step("row");
  emit(ctx, container, "create");
  ctx.debug?.(`create ${id}: ${formatTook(watch.took)}`);
  return { Id: id, Warnings: warnings };
}

/** One that was not stored. Never rejects: why it was not is what the client hears. */
async function unmake(ctx: ContainerContext, container: Container): Promise<void> {
  const { id } = container;
  try {
    await container.prepared?.drop();
    await ctx.images.discard(id);
    await rm(filesOf(ctx, id).folder, { recursive: true, force: true });
  } catch (error) {
    ctx.warn(`removing the files of ${id}: ${(error as Error).message}`);
  }
}
