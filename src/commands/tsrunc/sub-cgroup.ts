/**
 * `exec --cgroup [CONTROLLERS:]PATH`: cgroups that the container has made below its own, for a process to join. Of
 * version 1 each hierarchy can have another.
 */
import type { Cgroup, CgroupFolder } from "../../engine/runtime/cgroup-layout.ts";
import { cleanPath } from "../../engine/runtime/inside.ts";
import { exists } from "../../ffi/host.ts";

/** Those that are not named stay the container's own. @throws Error in runc's words */
export function subCgroup(cgroup: Cgroup, given: readonly string[]): Cgroup {
  const paths = parse(given);
  const known = new Set(cgroup.flatMap(controllersOf));
  for (const controller of paths.keys())
    if (controller !== "" && !known.has(controller)) throw new Error(`unknown controller ${controller}`);
  return cgroup.map((folder) => {
    const path = ["", ...controllersOf(folder)].map((name) => paths.get(name)).find(Boolean);
    return path === undefined ? folder : below(folder, path);
  });
}

/** Of controllers, or of "" for all of them. */
function parse(given: readonly string[]): Map<string, string> {
  const paths = new Map<string, string>();
  for (const text of given) {
    const colon = text.indexOf(":");
    if (colon < 0 && given.length > 1)
      throw new Error(`invalid --cgroup argument: ${text} (missing <controller>: prefix)`);
    const path = text.slice(colon + 1);
    const controllers = colon < 0 ? [""] : text.slice(0, colon).split(",");
    for (const controller of controllers) {
      if (colon >= 0 && controller === "")
        throw new Error(`invalid --cgroup argument: ${text} (empty <controller> prefix)`);
      if (paths.has(controller))
        throw new Error(`invalid --cgroup argument(s): controller ${controller} specified multiple times`);
      paths.set(controller, path);
    }
  }
  return paths;
}

/** A hierarchy without controllers has a name. */
const controllersOf = ({ controllers }: CgroupFolder): string[] =>
  controllers.map((name) => name.replace(/^name=/, ""));

/** Nothing but a folder can be there: a cgroup file system has no links. */
function below(folder: CgroupFolder, path: string): CgroupFolder {
  if (path.split("/").includes("..")) throw new Error(`bad sub cgroup path: ${path}`);
  const clean = cleanPath(path);
  if (clean === "/") return folder;
  const all = `${folder.path}${clean}`;
  if (!exists(`${all}/cgroup.procs`))
    throw new Error(`error adding pid to cgroups: open ${all}/cgroup.procs: no such file or directory`);
  return { ...folder, path: all };
}
