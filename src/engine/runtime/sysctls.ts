/**
 * Kernel parameters of the container's own namespaces, written through the host's /proc/sys, which shows a process
 * those of its own; one that no namespace holds would change the host, so it is refused.
 * @source config-linux.md "Sysctl"; runc's validator
 */
import { EngineError } from "../errors.ts";
import type { PlanBuilder } from "./plan.ts";
import { writeSysctl } from "./proc-files.ts";
import type { Namespace, NamespaceType } from "./spec.ts";

const IPC = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/** `net/ipv4/conf/eth0.1/x` and `net.ipv4.conf.eth0/1.x` mean the same. */
function dotted(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === "/" ? name.replace(/[./]/g, (c) => (c === "." ? "/" : ".")) : name;
}

function neededNamespace(name: string): NamespaceType | undefined {
  if (IPC.has(name) || name.startsWith("fs.mqueue.")) return "ipc";
  if (name.startsWith("net.")) return "network";
  if (name === "kernel.hostname" || name === "kernel.domainname") return "uts";
  return undefined;
}

export function setSysctls(
  plan: PlanBuilder,
  fd: number,
  sysctls: Record<string, string>,
  { namespaces, procfs }: { namespaces: readonly Namespace[]; procfs: number | undefined },
): void {
  for (const [given, value] of Object.entries(sysctls)) {
    const name = dotted(given);
    const needed = neededNamespace(name);
    if (needed === undefined || name.split(/[./]/).includes("")) {
      throw new EngineError(
        "invalid",
        `sysctl ${JSON.stringify(given)} is not in a separate kernel namespace`,
      );
    }
    if (!namespaces.some((namespace) => namespace.type === needed)) {
      throw new EngineError(
        "invalid",
        needed === "network"
          ? `sysctl ${JSON.stringify(given)} not allowed in host network namespace`
          : `sysctl ${JSON.stringify(given)} is not allowed in the hosts ${needed} namespace`,
      );
    }
    const path = name.replace(/[./]/g, (c) => (c === "." ? "/" : "."));
    if (cleanSysctl(path)) writeSysctl(plan, fd, { path, value, procfs });
    else throw new EngineError("invalid", `sysctl ${JSON.stringify(given)} is not valid`);
  }
}

const cleanSysctl = (path: string): boolean => !path.split("/").some((part) => part === ".." || part === ".");
