/**
 * The types of `config.json`, to say what is wrong with one: nothing that starts well reads this, it would take a
 * tenth of a start.
 * @source https://github.com/opencontainers/runtime-spec/blob/v1.2.0/specs-go/config.go
 */
import {
  anything,
  flag,
  int,
  int64,
  list,
  map,
  named,
  struct,
  text,
  uint,
  uint16,
  uint32,
  uint64,
} from "../json/schema.ts";

const strings = list(text);
const bytes = int64;

const capabilities = struct("LinuxCapabilities", {
  bounding: strings,
  effective: strings,
  inheritable: strings,
  permitted: strings,
  ambient: strings,
});

export const processSchema = struct("Process", {
  terminal: flag,
  consoleSize: struct("Box", { height: uint, width: uint }),
  user: struct("User", {
    uid: uint32,
    gid: uint32,
    umask: uint32,
    additionalGids: list(uint32),
    username: text,
  }),
  args: strings,
  env: strings,
  cwd: text,
  capabilities,
  rlimits: list(struct("POSIXRlimit", { type: text, hard: uint64, soft: uint64 })),
  noNewPrivileges: flag,
  apparmorProfile: text,
  selinuxLabel: text,
  oomScoreAdj: int,
  ioPriority: struct("LinuxIOPriority", { class: named("LinuxIOPriorityClass", text), priority: int }),
  scheduler: struct("Scheduler", {
    policy: named("LinuxSchedulerPolicy", text),
    nice: named("int32", int),
    priority: named("int32", int),
    flags: strings,
    runtime: uint64,
    deadline: uint64,
    period: uint64,
  }),
});

const hooks = list(struct("Hook", { path: text, args: strings, env: strings, timeout: int }));
const mappings = list(struct("LinuxIDMapping", { containerID: uint32, hostID: uint32, size: uint32 }));
const throttled = list(struct("LinuxThrottleDevice", { major: int64, minor: int64, rate: uint64 }));

export const resourcesSchema = struct("LinuxResources", {
  devices: list(
    struct("LinuxDeviceCgroup", { allow: flag, type: text, major: int64, minor: int64, access: text }),
  ),
  memory: struct("LinuxMemory", {
    limit: bytes,
    reservation: bytes,
    swap: bytes,
    kernel: bytes,
    kernelTCP: bytes,
    swappiness: uint64,
    disableOOMKiller: flag,
    useHierarchy: flag,
    checkBeforeUpdate: flag,
  }),
  cpu: struct("LinuxCPU", {
    shares: uint64,
    quota: int64,
    burst: uint64,
    period: uint64,
    realtimeRuntime: int64,
    realtimePeriod: uint64,
    cpus: text,
    mems: text,
    idle: int64,
  }),
  pids: struct("LinuxPids", { limit: int64 }),
  blockIO: struct("LinuxBlockIO", {
    weight: uint16,
    leafWeight: uint16,
    weightDevice: list(
      struct("LinuxWeightDevice", { major: int64, minor: int64, weight: uint16, leafWeight: uint16 }),
    ),
    throttleReadBpsDevice: throttled,
    throttleWriteBpsDevice: throttled,
    throttleReadIOPSDevice: throttled,
    throttleWriteIOPSDevice: throttled,
  }),
  hugepageLimits: list(struct("LinuxHugepageLimit", { pageSize: text, limit: uint64 })),
  network: struct("LinuxNetwork", {
    classID: uint32,
    priorities: list(struct("LinuxInterfacePriority", { name: text, priority: uint32 })),
  }),
  unified: map(text),
});

const seccomp = struct("LinuxSeccomp", {
  defaultAction: named("LinuxSeccompAction", text),
  defaultErrnoRet: uint,
  architectures: list(named("Arch", text)),
  flags: list(named("LinuxSeccompFlag", text)),
  listenerPath: text,
  listenerMetadata: text,
  syscalls: list(
    struct("LinuxSyscall", {
      names: strings,
      action: named("LinuxSeccompAction", text),
      errnoRet: uint,
      args: list(
        struct("LinuxSeccompArg", {
          index: uint,
          value: uint64,
          valueTwo: uint64,
          op: named("LinuxSeccompOperator", text),
        }),
      ),
    }),
  ),
});

const linux = struct("Linux", {
  namespaces: list(struct("LinuxNamespace", { type: named("LinuxNamespaceType", text), path: text })),
  uidMappings: mappings,
  gidMappings: mappings,
  timeOffsets: map(struct("LinuxTimeOffset", { secs: int64, nanosecs: uint32 })),
  devices: list(
    struct("LinuxDevice", {
      type: text,
      path: text,
      major: int64,
      minor: int64,
      fileMode: named("FileMode", uint32),
      uid: uint32,
      gid: uint32,
    }),
  ),
  cgroupsPath: text,
  resources: resourcesSchema,
  rootfsPropagation: text,
  seccomp,
  sysctl: map(text),
  maskedPaths: strings,
  readonlyPaths: strings,
  mountLabel: text,
  personality: struct("LinuxPersonality", {
    domain: named("LinuxPersonalityDomain", text),
    flags: strings,
  }),
  intelRdt: anything,
});

export const specSchema = struct("specs.Spec", {
  ociVersion: text,
  process: processSchema,
  root: struct("Root", { path: text, readonly: flag }),
  hostname: text,
  domainname: text,
  mounts: list(
    struct("Mount", {
      destination: text,
      type: text,
      source: text,
      options: strings,
      uidMappings: mappings,
      gidMappings: mappings,
    }),
  ),
  hooks: struct("Hooks", {
    prestart: hooks,
    createRuntime: hooks,
    createContainer: hooks,
    startContainer: hooks,
    poststart: hooks,
    poststop: hooks,
  }),
  annotations: map(text),
  linux,
});
