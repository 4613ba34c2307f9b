/** GET /containers/NAME/json, in the order of Docker 29's fields. */
import { parseLink } from "../network/settings.ts";
import type { ContainerInspect } from "../services.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, filesOf } from "./context.ts";
import type { MountPoint } from "./mount-points.ts";
import { isRunning, NEVER, statusWord } from "./state.ts";
import { joinedContainer } from "./validate.ts";

/** A mount as inspect and list show it; a tmpfs has no source to tell. */
export function shownMount(mount: MountPoint): object {
  const { type, name, source, destination, driver, mode, rw, propagation } = mount;
  return {
    Type: type,
    ...(name !== undefined && { Name: name }),
    Source: source,
    Destination: destination,
    ...(driver !== undefined && { Driver: driver }),
    Mode: mode,
    RW: rw,
    Propagation: propagation,
  };
}

/** The platform's manifest, with the platform, which old manifests do not say themselves. */
export function manifestOf({ record: { image } }: Container): object | undefined {
  if (image.manifest === undefined) return undefined;
  const { architecture, os, variant } = image;
  return {
    ...image.manifest,
    platform: image.manifest.platform ?? { architecture, os, ...(variant && { variant }) },
  };
}

/** `/CHILD:/OWN/ALIAS`, by the names of now. */
function shownLinks({ store }: ContainerContext, { name, record }: Container): string[] | null {
  const shown = record.hostConfig.Links?.flatMap((link) => {
    const { name: id, alias } = parseLink(link);
    const child = store.byId(id);
    return child ? [`${child.name}:${name}/${alias}`] : [];
  });
  return shown?.length ? shown : null;
}

export async function inspect(
  ctx: ContainerContext,
  name: string,
  { size }: { size: boolean },
): Promise<ContainerInspect> {
  const container = ctx.store.find(name);
  const { id, record, state } = container;
  if (size) await container.prepared?.drop();
  const sizes = size ? await ctx.images.usage(id) : undefined;
  const begun = state.startedAt !== NEVER || state.error !== "";
  const files = filesOf(ctx, id);
  const donor = joinedContainer(record.hostConfig.NetworkMode);
  const etc = donor === undefined ? files : filesOf(ctx, donor);
  const path = (file: string): string => (begun ? file : "");
  return {
    Id: id,
    Created: record.created,
    Path: record.path,
    Args: record.args,
    State: {
      Status: statusWord(state, container.removing),
      Running: isRunning(state),
      Paused: state.status === "paused",
      Restarting: false,
      OOMKilled: state.oomKilled,
      Dead: state.status === "dead",
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
    },
    Image: record.image.id,
    ResolvConfPath: path(etc.resolvConf),
    HostnamePath: path(etc.hostname),
    HostsPath: path(etc.hosts),
    LogPath: record.hostConfig.LogConfig.Type === "json-file" ? path(files.log) : "",
    Name: container.name,
    RestartCount: 0,
    Driver: "overlayfs",
    Platform: record.image.os,
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: container.execs.size > 0 ? [...container.execs] : null,
    HostConfig: { ...record.hostConfig, Links: shownLinks(ctx, container) },
    Storage: { RootFS: { Snapshot: { Name: "overlayfs" } } },
    ...(sizes && { SizeRw: sizes.rw, SizeRootFs: sizes.rootfs }),
    Mounts: record.mounts.map(shownMount),
    Config: record.config,
    NetworkSettings: ctx.networks.view(container),
    ImageManifestDescriptor: manifestOf(container),
  } as ContainerInspect;
}
