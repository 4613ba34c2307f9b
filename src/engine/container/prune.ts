/** POST /containers/prune. */
import { EngineError } from "../errors.ts";
import { type Filters, matchPairs, validateFilters } from "../filters.ts";
import type { ContainerContext } from "./context.ts";
import { removeContainer } from "./remove.ts";
import { isRunning, milliseconds } from "./state.ts";
import { untilOf } from "./until.ts";

export async function prune(
  ctx: ContainerContext,
  filters: Filters,
): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
  validateFilters(filters, ["label", "label!", "until"]);
  if ((filters.until?.length ?? 0) > 1)
    throw new EngineError("invalid", "more than one until filter specified");
  const until = filters.until?.[0] === undefined ? undefined : untilOf(filters.until[0]);
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const container of [...ctx.store.all()]) {
    const { created, config } = container.record;
    if (isRunning(container.state) || container.removing) continue;
    if (until !== undefined && milliseconds(created) > until) continue;
    if (!matchPairs(filters, "label", config.Labels)) continue;
    if (filters["label!"]?.length && matchPairs(filters, "label!", config.Labels)) continue;
    try {
      await container.prepared?.drop();
      const { rw } = await ctx.images.usage(container.id);
      await removeContainer(ctx, container, { force: false, volumes: false });
      reclaimed += rw;
      deleted.push(container.id);
    } catch (error) {
      ctx.warn(`failed to prune container ${container.id}: ${(error as Error).message}`);
    }
  }
  ctx.events.emit({
    Type: "container",
    Action: "prune",
    Actor: { ID: "", Attributes: { reclaimed: String(reclaimed) } },
  });
  return { ContainersDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: reclaimed };
}
