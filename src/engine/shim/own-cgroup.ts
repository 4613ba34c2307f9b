/**
 * Where the shim and its keepers live. A shim that the daemon started is in the daemon's cgroup; when that is a service of
 * systemd's, restarting the service would kill it with everything in there. So it moves to a leaf of its own,
 * beside the containers'. A shim that is a service itself stays where it is.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { detectCgroups } from "../runtime/cgroup-layout.ts";
import { removeParents } from "./cgroup.ts";

/** The containers' cgroups lie in it, too. */
const PARENT = "/tsd";

export interface OwnCgroup {
  /** Back to the root, when nothing is left that needs the leaf. */
  leave(): void;
}

/** Does nothing outside of a service, and where cgroups cannot be written. */
export function leaveService(execRoot: string): OwnCgroup {
  const name = `shim-${Bun.hash(execRoot).toString(16)}`;
  const left: string[] = [];
  // systemd kills by its own hierarchy: the unified one, or the named one of version 1.
  for (const { version, controllers, mountpoint, own } of detectCgroups().hierarchies) {
    if (version !== 2 && !controllers.includes("name=systemd")) continue;
    if (!/\.service(\/|$)/.test(own)) continue;
    const leaf = join(mountpoint, PARENT, name);
    try {
      mkdirSync(leaf, { recursive: true });
      writeFileSync(join(leaf, "cgroup.procs"), String(process.pid));
      left.push(leaf);
    } catch {
      // A read-only /sys/fs/cgroup: then nobody can move anything.
    }
  }
  return { leave: () => left.forEach(returnToRoot) };
}

function others(leaf: string): boolean {
  const pids = readFileSync(join(leaf, "cgroup.procs"), "utf8").split("\n").filter(Boolean);
  return pids.some((pid) => Number(pid) !== process.pid);
}

function returnToRoot(leaf: string): void {
  const parent = join(leaf, "..");
  try {
    // The waker is just ending; keepers may still be there.
    for (let look = 0; others(leaf); look++) {
      if (look === 25) return;
      Bun.sleepSync(2);
    }
    writeFileSync(join(parent, "..", "cgroup.procs"), String(process.pid));
    rmdirSync(leaf);
    removeParents([parent]);
  } catch {
    // It stays, empty.
  }
}
