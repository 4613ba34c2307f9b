/**
 * The cgroups above a container's own that `--cgroup-parent` names. Those that were not there are made with the
 * container, and go when nothing is in them; those that somebody else made stay.
 */
import { existsSync, rmdirSync } from "node:fs";
import { dirname } from "node:path";
import { cgroupOf, detectCgroups } from "../runtime/cgroup-layout.ts";
import type { Container } from "./container.ts";
import type { ContainerContext } from "./context.ts";
import { cgroupsPathOf } from "./spec.ts";

type Context = Pick<ContainerContext, "store">;

/** All folders above the container's, in every hierarchy, the deepest first. */
function parentsOf({ id, record }: Container): string[] {
  const cgroup = cgroupOf(detectCgroups(), cgroupsPathOf(id, record.hostConfig), id);
  return cgroup.flatMap(({ mountpoint, path }) => {
    const above: string[] = [];
    for (let folder = dirname(path); folder.length > mountpoint.length; folder = dirname(folder))
      above.push(folder);
    return above;
  });
}

/** Before a start: notes what it will make, and what others made that it is going to be in. */
export function claimParents({ store }: Context, container: Container): void {
  if (container.record.hostConfig.CgroupParent === "") return;
  const others = new Set([...store.all()].flatMap(({ state }) => state.cgroupParents ?? []));
  const cgroupParents = parentsOf(container).filter((folder) => others.has(folder) || !existsSync(folder));
  if (cgroupParents.length > 0) store.setState(container, { cgroupParents });
}

/** After its end, when its own cgroups are gone. What is not empty yet is another's to remove. */
export function dropParents({ store }: Context, container: Container): void {
  const { cgroupParents = [] } = container.state;
  if (cgroupParents.length === 0) return;
  for (const folder of cgroupParents) {
    try {
      rmdirSync(folder);
    } catch {
      // Somebody is in it, or it is gone.
    }
  }
  if (!container.removed) store.setState(container, { cgroupParents: [] });
}
