/**
 * Capabilities: the table, and the steps that give a process its five sets.
 * @source capabilities(7); linux/capability.h
 */
import { ERRNO } from "../../ffi/errno.ts";
import { PR } from "../../ffi/process.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";
import type { CapabilitySets } from "./spec.ts";

/** In the kernel's order: the index is the number. */
export const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

/** A set as a bit mask. Names that are not known are passed over, as runc does: a newer caller may know more. */
export function capabilityMask(names: readonly string[] = []): bigint {
  let mask = 0n;
  for (const name of names) {
    const number = (CAPABILITIES as readonly string[]).indexOf(name);
    if (number >= 0) mask |= 1n << BigInt(number);
  }
  return mask;
}

/** Of all sets, in the order of the alphabet. */
export function unknownCapabilities(sets: CapabilitySets): string[] {
  const known = new Set<string>(CAPABILITIES);
  const unknown = new Set<string>();
  for (const names of Object.values(sets)) for (const name of names) if (!known.has(name)) unknown.add(name);
  return [...unknown].sort();
}

const HEADER_VERSION_3 = 0x20080522;
const low = (mask: bigint) => Number(mask & 0xffff_ffffn);
const high = (mask: bigint) => Number(mask >> 32n);

/** While the process is still root: what is not in the bounding set can never come back by an execve. */
export function dropBoundingSet(plan: PlanBuilder, sets: CapabilitySets): void {
  const keep: readonly string[] = sets.bounding ?? [];
  // A kernel that does not know one says EINVAL.
  const tolerate = [ERRNO.EINVAL];
  const drop = flags(PR, "PR_CAPBSET_DROP");
  for (let number = 0; number < CAPABILITIES.length; number++) {
    const name = CAPABILITIES[number]!;
    if (keep.includes(name)) continue;
    const label = `unable to apply bounding set: drop ${name}`;
    plan.call("prctl", [drop, named(name, number), 0, 0, 0], { label, tolerate });
  }
}

/** After the change of user. */
export function setCapabilities(plan: PlanBuilder, sets: CapabilitySets): void {
  const effective = capabilityMask(sets.effective);
  const permitted = capabilityMask(sets.permitted);
  const inheritable = capabilityMask(sets.inheritable);
  const header = plan.struct(8, "{VERSION_3, self}", [[0, "u32", HEADER_VERSION_3]]);
  const show = `{effective 0x${effective.toString(16)}, permitted 0x${permitted.toString(16)}, inheritable 0x${inheritable.toString(16)}}`;
  const data = plan.struct(24, show, [
    [0, "u32", low(effective)],
    [4, "u32", low(permitted)],
    [8, "u32", low(inheritable)],
    [12, "u32", high(effective)],
    [16, "u32", high(permitted)],
    [20, "u32", high(inheritable)],
  ]);
  plan.call("capset", [header, data], { label: "unable to apply caps" });
  setAmbient(plan, sets.ambient ?? []);
}

function setAmbient(plan: PlanBuilder, names: readonly string[]): void {
  const operation = flags(PR, "PR_CAP_AMBIENT");
  const label = "unable to apply ambient set";
  plan.call("prctl", [operation, flags(PR, "PR_CAP_AMBIENT_CLEAR_ALL"), 0, 0, 0], { label });
  for (const name of names) {
    const number = (CAPABILITIES as readonly string[]).indexOf(name);
    if (number < 0) continue;
    // One that is not permitted and inheritable too cannot be ambient: EPERM, a warning for runc.
    plan.call("prctl", [operation, flags(PR, "PR_CAP_AMBIENT_RAISE"), named(name, number), 0, 0], {
      label: `${label}: ${name}`,
      tolerate: [ERRNO.EPERM],
    });
  }
}
