/** The mounts of a container's OCI configuration, in Docker's order. */
import { mkdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { EngineError } from "../errors.ts";
import type { Mount } from "../runtime/spec.ts";
import type { HostConfig } from "./config.ts";
import type { MountPoint } from "./mount-points.ts";

/** Files of the engine's that are bound over the container's /etc. */
export interface NetworkFiles {
  resolvConf: string;
  hostname: string;
  hosts: string;
}

const DEFAULT_MOUNTS: readonly Required<Pick<Mount, "destination" | "type" | "source" | "options">>[] = [
  { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
  {
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["ro", "nosuid", "noexec", "nodev"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777"],
  },
];

/** Words that are a flag of the mount: of those for the same flag, or the same kind of propagation, the last wins. */
const FLAG_OF: Record<string, string> = Object.fromEntries(
  [
    ["ro", "rw"],
    ["suid", "nosuid"],
    ["dev", "nodev"],
    ["exec", "noexec"],
    ["sync", "async"],
    ["dirsync"],
    ["remount"],
    ["mand", "nomand"],
    ["atime", "noatime"],
    ["diratime", "nodiratime"],
    ["relatime", "norelatime"],
    ["strictatime", "nostrictatime"],
    [
      "bind",
      "rbind",
      "unbindable",
      "runbindable",
      "private",
      "rprivate",
      "shared",
      "rshared",
      "slave",
      "rslave",
    ],
  ].flatMap((words) => words.map((word) => [word, words[0]!])),
);
const TMPFS_DATA = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];

/**
 * Docker's defaults for a tmpfs, overridden by what the user says.
 * @source moby/sys/mount, MergeTmpfsOptions
 * @throws EngineError internal `invalid tmpfs option "nosuch"`
 */
export function mergeTmpfsOptions(data: string): string[] {
  const merged = new Map<string, string>();
  const said = data === "" ? [] : data.split(",");
  for (const word of ["noexec", "nosuid", "nodev", "rprivate", ...said]) {
    if (word === "defaults") continue;
    const [key = ""] = word.split("=", 1);
    const flag = Object.hasOwn(FLAG_OF, word) ? FLAG_OF[word]! : undefined;
    if (flag === undefined && (!word.includes("=") || !(key === "" || TMPFS_DATA.includes(key))))
      throw new EngineError("internal", `invalid tmpfs option ${JSON.stringify(key)}`);
    // In the order of the last ones.
    merged.delete(flag ?? `${key}=`);
    merged.set(flag ?? `${key}=`, word);
  }
  return [...merged.values()];
}

/** The mount that a path lies on, and its optional fields (shared:N, master:N). */
function mountBelow(path: string): { point: string; fields: string } {
  const real = realpathSync(path);
  let best = "";
  let fields = "";
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const words = line.split(" ");
    const point = words[4]?.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (point === undefined || point.length < best.length) continue;
    if (real !== point && !real.startsWith(point === "/" ? "/" : `${point}/`)) continue;
    best = point;
    fields = words.slice(6, words.indexOf("-")).join(" ");
  }
  return { point: best, fields };
}

/** What `source` needs from the host for this propagation; false: go without, nobody asked for it. */
function checkPropagation(mount: MountPoint): boolean {
  const { propagation, source } = mount;
  if (!/shared|slave/.test(propagation)) return true;
  const { point, fields } = mountBelow(source);
  const enough = propagation.endsWith("shared") ? /shared:/.test(fields) : /shared:|master:/.test(fields);
  if (enough) return true;
  if (!mount.explicitPropagation) return false;
  const kind = propagation.endsWith("shared") ? "a shared mount" : "a shared or slave mount";
  throw new EngineError("internal", `path ${source} is mounted on ${point} but it is not ${kind}`);
}

function bindOptions(mount: MountPoint): string[] {
  if (mount.rw && mount.readOnlyNonRecursive) {
    throw new EngineError(
      "internal",
      "mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive",
    );
  }
  if (mount.rw && mount.readOnlyForceRecursive) {
    throw new EngineError(
      "internal",
      "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive",
    );
  }
  if (mount.readOnlyNonRecursive && mount.readOnlyForceRecursive) {
    throw new EngineError(
      "internal",
      "mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive",
    );
  }
  const options = [mount.nonRecursive ? "bind" : "rbind"];
  if (!mount.rw) options.push(mount.readOnlyNonRecursive ? "ro" : "rro");
  if (mount.type === "bind") options.push(checkPropagation(mount) ? mount.propagation : "rprivate");
  return options;
}

/** Makes what `-v /path` promises: the folder on the host. */
export function makeBindSources(mounts: readonly MountPoint[]): void {
  for (const mount of mounts) {
    if (mount.type !== "bind") continue;
    try {
      statSync(mount.source);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOENT" || !mount.createSource) {
        throw new EngineError(
          "invalid",
          `invalid mount config for type "bind": bind source path does not exist: ${mount.source}`,
        );
      }
      try {
        mkdirSync(mount.source, { recursive: true, mode: 0o755 });
      } catch (cause) {
        throw new EngineError(
          "internal",
          `error while creating mount source path '${mount.source}': mkdir ${mount.source}: ${(cause as Error).message}`,
          { cause },
        );
      }
    }
  }
}

const depth = (path: string): number => path.split("/").filter((part) => part !== "").length;

function userMounts(h: HostConfig, mounts: readonly MountPoint[], files: NetworkFiles | undefined): Mount[] {
  const all = new Map<string, Mount>();
  for (const mount of mounts) {
    if (mount.type === "tmpfs") {
      all.set(mount.destination, tmpfsMount(mount.destination, mount.tmpfsOptions ?? ""));
    } else {
      all.set(mount.destination, {
        destination: mount.destination,
        source: mount.source,
        type: "bind",
        options: bindOptions(mount),
      });
    }
  }
  for (const [destination, data] of Object.entries(h.Tmpfs ?? {}))
    all.set(destination, tmpfsMount(destination, data));
  if (files !== undefined) {
    const options = ["rbind", ...(h.ReadonlyRootfs ? ["ro"] : []), "rprivate"];
    for (const [destination, source] of [
      ["/etc/resolv.conf", files.resolvConf],
      ["/etc/hostname", files.hostname],
      ["/etc/hosts", files.hosts],
    ] as const) {
      if (!all.has(destination)) all.set(destination, { destination, source, type: "bind", options });
    }
  }
  // Parents before children, or a child would be hidden.
  return [...all.values()].sort((a, b) => depth(a.destination) - depth(b.destination));
}

function tmpfsMount(destination: string, data: string): Mount {
  return { destination, source: "tmpfs", type: "tmpfs", options: mergeTmpfsOptions(data) };
}

const without = (mount: Mount, option: string): Mount => ({
  ...mount,
  options: mount.options?.filter((o) => o !== option),
});

/** `sharedShm` is the folder of the host that is to be /dev/shm. */
export function specMounts(
  h: HostConfig,
  mounts: readonly MountPoint[],
  files: NetworkFiles | undefined,
  writableCgroups: boolean,
  sharedShm: string | undefined,
): Mount[] {
  const user = userMounts(h, mounts, files);
  const overridden = new Set(user.map((mount) => mount.destination));
  let defaults: Mount[] = DEFAULT_MOUNTS.filter(
    ({ destination }) =>
      !overridden.has(destination) &&
      !(overridden.has("/dev") && destination.startsWith("/dev/")) &&
      !(destination === "/dev/shm" && h.IpcMode === "none"),
  ).map((mount) =>
    mount.destination === "/dev/shm"
      ? { ...mount, options: [...mount.options, `size=${h.ShmSize}`] }
      : { ...mount },
  );
  if (sharedShm !== undefined) {
    const shm: Mount = {
      destination: "/dev/shm",
      source: sharedShm,
      type: "bind",
      options: ["rbind", "rprivate"],
    };
    defaults = defaults.map((mount) => (mount.destination === "/dev/shm" ? shm : mount));
  }
  if (h.ReadonlyRootfs) {
    const writable = new Set(["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"]);
    defaults = defaults.map((mount) =>
      writable.has(mount.destination) || mount.options!.includes("ro")
        ? mount
        : { ...mount, options: [...mount.options!, "ro"] },
    );
  }
  if (h.Privileged)
    defaults = defaults.map((mount) => (mount.destination === "/sys" ? without(mount, "ro") : mount));
  if (writableCgroups)
    defaults = defaults.map((mount) => (mount.type === "cgroup" ? without(mount, "ro") : mount));
  return [...defaults, ...user];
}
