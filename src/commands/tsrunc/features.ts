/**
 * `tsrunc features`: what this runtime can do.
 * @source features.md of the runtime specification
 */
import { CAPABILITIES } from "../../engine/runtime/capabilities.ts";
import { knownMountOptions } from "../../engine/runtime/mount-options.ts";
import { VERSION } from "../../engine/version.ts";
import type { Verb } from "../tsrunc.ts";

const FEATURES = {
  ociVersionMin: "1.0.0",
  ociVersionMax: "1.2.0",
  hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
  mountOptions: knownMountOptions(),
  linux: {
    namespaces: ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
    capabilities: CAPABILITIES,
    cgroup: { v1: true, v2: true, systemd: true, systemdUser: false, rdma: false },
    seccomp: {
      enabled: true,
      actions: [
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_TRAP",
      ],
      operators: [
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_LE",
        "SCMP_CMP_LT",
        "SCMP_CMP_MASKED_EQ",
        "SCMP_CMP_NE",
      ],
      archs: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"],
      knownFlags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"],
      supportedFlags: [
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_TSYNC",
      ],
    },
    apparmor: { enabled: true },
    selinux: { enabled: true },
    intelRdt: { enabled: false },
    mountExtensions: { idmap: { enabled: false } },
  },
  potentiallyUnsafeConfigAnnotations: ["org.systemd.property."],
  annotations: { "tsd.version": VERSION },
};

export const verb: Verb = {
  flags: {},
  usage: "",
  words: [0, 0],
  run() {
    console.log(JSON.stringify(FEATURES, null, 2));
    return 0;
  },
};
