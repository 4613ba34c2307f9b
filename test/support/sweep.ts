/** Whatever state a failed test has left a stack in: nothing of it stays. */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listSandboxes } from "../../src/engine/network/wiring/sandboxes.ts";
import { unpinNamespace } from "../../src/ffi/netns.ts";
import { cgroupsOf, processesOf } from "./footprint.ts";
import { unmountBelow } from "./machine.ts";
import { removeNetworks } from "./networks.ts";

/** Where a stack has its roots. `exec` and `data` below the folder, unless said. `ids`: of containers that it had. */
export interface Stacked {
  folder: string;
  execRoot?: string;
  ids?: Iterable<string>;
}

/** All of it ends at once, and nothing of it is left but files. */
export function sweepStack({ folder, execRoot = join(folder, "exec"), ids = [] }: Stacked): void {
  const known = new Set(ids);
  const left = (): number[] => {
    for (const id of idsBelow(join(execRoot, "k"))) known.add(id);
    const pids = [folder, execRoot].flatMap((root) => processesOf(root, known)).map(({ pid }) => pid);
    // The init may see mounts of ours.
    return pids.filter((pid) => pid !== 1);
  };
  // Without keepers and shim a container is only what its cgroups hold; one that was being killed may be frozen.
  for (let pids = left(); pids.length > 0; pids = left()) {
    for (const pid of pids) kill(pid);
    for (const cgroup of cgroupsOf([...known])) write(join(cgroup, "freezer.state"), "THAWED");
    Bun.sleepSync(20);
  }
  for (const cgroup of cgroupsOf([...known])) rmdirSync(cgroup);
  for (const path of listSandboxes(join(execRoot, "netns"))) unpinNamespace(path);
  for (const root of [folder, execRoot]) unmountBelow(root);
  removeNetworks(join(folder, "data"), execRoot);
}

/** Of launch records. */
const idsBelow = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".json"))
        .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")).id)
    : [];

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

function write(path: string, value: string): void {
  if (existsSync(path)) writeFileSync(path, value);
}
