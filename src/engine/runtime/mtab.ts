/** /etc/mtab, which Docker gives to every container and images leave out. */
import { ERRNO } from "../../ffi/errno.ts";
import { type Inside, makeFolders } from "./inside.ts";

/** Before anything is mounted: into the container's own layer, never into a folder of the host. */
export function addMtab(at: Inside): void {
  const { plan, folder } = at;
  const label = "error setting up /etc/mtab";
  makeFolders(at, "/etc", label);
  // What the image has there is the image's affair; a root that is read-only already has what it has.
  plan.call("symlinkat", [plan.string("/proc/mounts"), folder, plan.string("mtab")], {
    label,
    tolerate: [ERRNO.EEXIST, ERRNO.EROFS],
  });
}
