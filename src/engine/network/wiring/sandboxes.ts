/** Network namespaces of containers: made by the daemon, pinned below its exec root. */
import { readdirSync } from "node:fs";
import { closeFd } from "../../../ffi/libc.ts";
import { NETLINK } from "../../../ffi/netlink/flags.ts";
import { changeLink } from "../../../ffi/netlink/links.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { isPinned, newNamespace, pinNamespace } from "../../../ffi/netns.ts";
import type { SandboxRecord } from "../types.ts";
import { Inside } from "./inside.ts";
import { redirectNames } from "./redirect.ts";

/** Keeps the one that is there: false then. */
export function createSandbox({ path, names }: SandboxRecord): boolean {
  if (isPinned(path)) {
    using inside = new Inside(path);
    if (names) redirectNames(inside.namespace, names);
    return false;
  }
  const namespace = newNamespace();
  try {
    using socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE, namespace);
    socket.request(changeLink("lo", { up: true }));
    if (names) redirectNames(namespace, names);
    // Last, so that a failure leaves nothing.
    pinNamespace(namespace, path);
    return true;
  } finally {
    closeFd(namespace);
  }
}

/** Paths in the folder. */
export function listSandboxes(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
