/** Which capabilities a container gets. Names are those of capabilities(7), with CAP_. */
import { readFileSync } from "node:fs";

/** In the kernel's order: the index is the capability's number. */
const ALL = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN " +
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE " +
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** What Docker gives without --cap-add and --cap-drop. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** Those that this process may hand out: its bounding set, which a daemon inside a container has reduced. */
export function availableCapabilities(status = readFileSync("/proc/self/status", "latin1")): string[] {
  const mask = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return ALL.filter((_, number) => (mask >> BigInt(number)) & 1n);
}

/** @throws Error `unknown capability: "CAP_X"` */
export function normalizeCapabilities(
  names: readonly string[] | null,
  available: readonly string[],
): string[] {
  return (names ?? []).map((raw) => {
    const upper = raw.toUpperCase();
    if (upper === "ALL") return upper;
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!ALL.includes(name)) throw new Error(`unknown capability: ${JSON.stringify(name)}`);
    if (!available.includes(name)) {
      throw new Error(
        `capability not supported by your kernel or not available in the current environment: ${JSON.stringify(name)}`,
      );
    }
    return name;
  });
}

/** The set for a container with these --cap-add and --cap-drop (normalized). */
export function containerCapabilities(
  add: readonly string[],
  drop: readonly string[],
  privileged: boolean,
  available: readonly string[],
): string[] {
  if (privileged) return [...available];
  if (add.includes("ALL")) return available.filter((name) => !drop.includes(name));
  if (drop.includes("ALL")) return [...add];
  const kept = DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name) && available.includes(name));
  return [...kept, ...add];
}
