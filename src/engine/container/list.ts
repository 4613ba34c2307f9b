/** GET /containers/json. */
import { EngineError } from "../errors.ts";
import type { Filters } from "../filters.ts";
import type { ContainerSummary } from "../services.ts";
import type { Container } from "./container.ts";
import type { ContainerContext } from "./context.ts";
import { manifestOf, shownMount } from "./inspect.ts";
import { select } from "./list-filter.ts";
import { isRunning, milliseconds, statusText, statusWord } from "./state.ts";

export interface ListOptions {
  all: boolean;
  size: boolean;
  /** 0 or less: no limit. */
  limit: number;
  filters: Filters;
}

const newestFirst = (a: Container, b: Container): number =>
  milliseconds(b.record.created) - milliseconds(a.record.created) ||
  (a.record.created < b.record.created ? 1 : -1);

export async function list(
  ctx: ContainerContext,
  { all, size, limit, filters }: ListOptions,
): Promise<ContainerSummary[]> {
  const selection = select(
    filters,
    ctx.store,
    ctx.images,
    (container) => ctx.networks.summary(container).Ports,
  );
  const everything = all || selection.all || limit > 0;
  const found: Container[] = [];
  let skipping = selection.before !== undefined;
  for (const container of [...ctx.store.all()].sort(newestFirst)) {
    if (skipping) {
      skipping = container !== selection.before;
      continue;
    }
    if (container === selection.since) break;
    if (!everything && !isRunning(container.state)) continue;
    if (!selection.matches(container)) continue;
    if (limit > 0 && found.length === limit) break;
    found.push(container);
  }
  return Promise.all(found.map((container) => summary(ctx, container, size)));
}

function commandText({ record: { path, args } }: Container): string {
  return [path, ...args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg))].join(" ");
}

/** The name it was created by, as long as that still means the same image. */
function imageName(ctx: ContainerContext, { record }: Container): string {
  const { Image } = record.config;
  if (Image === record.image.id) return Image;
  try {
    return ctx.images.resolve(Image).id === record.image.id ? Image : record.image.id;
  } catch (error) {
    if (error instanceof EngineError) return record.image.id;
    throw error;
  }
}

async function summary(
  ctx: ContainerContext,
  container: Container,
  size: boolean,
): Promise<ContainerSummary> {
  const { id, record, state } = container;
  if (size) await container.prepared?.drop();
  const sizes = size ? await ctx.images.usage(id) : undefined;
  const { NetworkMode, Annotations } = record.hostConfig;
  const { Ports, Networks } = ctx.networks.summary(container);
  return {
    Id: id,
    Names: [container.name],
    Image: imageName(ctx, container),
    ImageID: record.image.id,
    ImageManifestDescriptor: manifestOf(container),
    Command: commandText(container),
    Created: Math.trunc(milliseconds(record.created) / 1000),
    Ports,
    ...(sizes && { SizeRw: sizes.rw || undefined, SizeRootFs: sizes.rootfs || undefined }),
    Labels: record.config.Labels,
    State: statusWord(state, container.removing),
    Status: statusText(state, container.removing),
    HostConfig: { NetworkMode, ...(Annotations && { Annotations }) },
    Health: { Status: "none", FailingStreak: 0 },
    NetworkSettings: { Networks },
    Mounts: record.mounts.map(shownMount),
  } as ContainerSummary;
}
