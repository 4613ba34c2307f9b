/** `tsrunc spec`: a `config.json` to begin with. */
import { detectCgroups, isUnified } from "../../engine/runtime/cgroup-layout.ts";
import type { Mount, Spec } from "../../engine/runtime/spec.ts";
import { exists, writeFile } from "../../ffi/host.ts";
import type { Verb } from "../tsrunc.ts";

const KEPT = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const mount = (destination: string, type: string, source: string, options?: string): Mount => ({
  destination,
  type,
  source,
  ...(options && { options: options.split(",") }),
});

const EXAMPLE: Spec = {
  ociVersion: "1.2.0",
  process: {
    terminal: true,
    user: { uid: 0, gid: 0 },
    args: ["sh"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
    cwd: "/",
    capabilities: { bounding: KEPT, effective: KEPT, permitted: KEPT },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
    noNewPrivileges: true,
  },
  root: { path: "rootfs", readonly: true },
  hostname: "tsrunc",
  mounts: [
    mount("/proc", "proc", "proc"),
    mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
    mount("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
    mount("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
    mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
    mount("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
    mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
  ],
  linux: {
    resources: { devices: [{ allow: false, access: "rwm" }] },
    namespaces: [{ type: "pid" }, { type: "network" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }],
    maskedPaths: [
      "/proc/acpi",
      "/proc/asound",
      "/proc/kcore",
      "/proc/keys",
      "/proc/latency_stats",
      "/proc/timer_list",
      "/proc/timer_stats",
      "/proc/sched_debug",
      "/sys/firmware",
      "/proc/scsi",
    ],
    readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  },
};

/** Version 1 has none in runc's: callers add one. */
function withCgroupNamespace(spec: Spec): Spec {
  if (!isUnified(detectCgroups())) return spec;
  const namespaces = [...(spec.linux?.namespaces ?? []), { type: "cgroup" as const }];
  return { ...spec, linux: { ...spec.linux, namespaces } };
}

/** Others than himself are not there to own it. */
const withoutOwners = (each: Mount): Mount => ({
  ...each,
  ...(each.options && { options: each.options.filter((option) => !/^[ug]id=/.test(option)) }),
});

/** For a container of the user's who asks: in a user namespace with him alone in it, on the host's network. */
function rootless(spec: Spec): Spec {
  const { linux = {}, mounts = [] } = spec;
  const own = (hostID: number) => [{ containerID: 0, hostID, size: 1 }];
  const { resources: _, ...rest } = linux;
  return {
    ...spec,
    mounts: mounts.map((each) =>
      // A new one could only be mounted in a network namespace of its own.
      each.destination === "/sys"
        ? mount("/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro")
        : withoutOwners(each),
    ),
    linux: {
      ...rest,
      namespaces: [...(linux.namespaces ?? []).filter(({ type }) => type !== "network"), { type: "user" }],
      uidMappings: own(process.geteuid!()),
      gidMappings: own(process.getegid!()),
    },
  };
}

export const verb: Verb = {
  flags: { bundle: { kind: "value", short: "b" }, rootless: { kind: "switch" } },
  usage: "[--bundle DIR] [--rootless]",
  words: [0, 0],
  run(_words, flags) {
    const path = `${flags.value("bundle") ?? "."}/config.json`;
    if (exists(path)) throw new Error(`File ${path.replace(/^\.\//, "")} exists. Remove it first`);
    const example = withCgroupNamespace(EXAMPLE);
    const spec = flags.on("rootless") ? rootless(example) : example;
    writeFile(path, `${JSON.stringify(spec, null, "\t")}\n`);
    return 0;
  },
};
