/**
 * The overlay of a container's layers, as plan steps: a detached mount.
 * @source kernel Documentation/filesystems/overlayfs.rst
 */
import { rmSync } from "node:fs";
import { AT } from "../../ffi/file.ts";
import { exists } from "../../ffi/host.ts";
import { MNT } from "../../ffi/mount.ts";
import { overlayTakesLayers, splitOption } from "../../ffi/overlay.ts";
import { EngineError } from "../errors.ts";
import type { Rootfs } from "../shim/types.ts";
import { cloneTree, newMount } from "./mounts.ts";
import { flags, type PlanBuilder } from "./plan.ts";

type Overlay = Extract<Rootfs, { kind: "overlay" }>;

const LABEL = "error preparing rootfs: mount overlay";
/** mount(2) copies one page of options. */
const OPTIONS_MAX = 4095;

/**
 * An earlier volatile mount leaves a mark, with which it could not be mounted again: that may be after a power failure,
 * or of a launch that came to nothing.
 */
export function forgetVolatile({ work }: Overlay): void {
  const mark = `${work}/work/incompat`;
  if (exists(mark)) rmSync(mark, { recursive: true, force: true });
}

/** Makes the overlay, at `fd`. The mount namespace must be one of the plan's own, with no shared mounts. */
export function makeOverlay(
  plan: PlanBuilder,
  fd: number,
  rootfs: Overlay,
  layers = overlayTakesLayers(),
): void {
  if (layers) newMount(plan, overlayFileSystem(rootfs), fd, LABEL);
  else mountByPath(plan, fd, rootfs);
}

/** `lowerdir+` takes one layer at a time: a single string of fsconfig's ends at 255 bytes. */
function overlayFileSystem(rootfs: Overlay) {
  const data: { key: string; value?: string }[] = rootfs.lower.map((value) => ({ key: "lowerdir+", value }));
  data.push({ key: "upperdir", value: rootfs.upper }, { key: "workdir", value: rootfs.work });
  data.push(...(rootfs.options ?? []).map(splitOption));
  return { type: "overlay", source: "overlay", data, attributes: 0 };
}

/** The longest folder that all paths lie in. */
function commonFolder(paths: readonly string[]): string {
  let common = paths[0]!.slice(0, paths[0]!.lastIndexOf("/"));
  for (const path of paths) {
    while (common !== "" && !path.startsWith(`${common}/`)) common = common.slice(0, common.lastIndexOf("/"));
  }
  return common || "/";
}

/**
 * Before 6.5: mount(2), with paths that are short because they start in the folder of all layers. It is mounted over
 * "/", which is reached by ".." of the root, and taken off again as a detached copy.
 */
function mountByPath(plan: PlanBuilder, fd: number, { lower, upper, work, options = [] }: Overlay): void {
  const folder = commonFolder([...lower, upper, work]);
  const short = (path: string) =>
    path.slice(folder === "/" ? 1 : folder.length + 1).replace(/[\\:,]/g, (special) => `\\${special}`);
  const text = [
    `lowerdir=${lower.map(short).join(":")}`,
    `upperdir=${short(upper)}`,
    `workdir=${short(work)}`,
    ...options,
  ].join(",");
  if (Buffer.byteLength(text) > OPTIONS_MAX) {
    throw new EngineError(
      "invalid",
      `the image has too many layers (${lower.length}) for overlayfs of this kernel: 6.5 or newer is needed`,
    );
  }
  const root = plan.string("/");
  const over = plan.string("/..");
  plan.call("chdir", [plan.string(folder)], { label: LABEL });
  plan.call("mount", [plan.string("overlay"), root, plan.string("overlay"), 0, plan.string(text)], {
    label: LABEL,
  });
  cloneTree(plan, AT.AT_FDCWD, "/..", { fd, recursive: false, label: LABEL });
  plan.call("umount2", [over, flags(MNT, "MNT_DETACH")], { label: LABEL });
  plan.call("chdir", [root], { label: LABEL });
}
