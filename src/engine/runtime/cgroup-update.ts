/**
 * Changes the limits of a running container: all of them or, when one is refused, none.
 * @source runc's update; Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { errnoMessage } from "../../ffi/errno.ts";
import { EngineError } from "../errors.ts";
import { type Cgroup, folderOf, isUnified, unifiedFolder } from "./cgroup-layout.ts";
import { type Limit, limitsV1, limitsV2 } from "./cgroup-limits.ts";
import type { Resources } from "./spec.ts";

const MEMORY = "memory.limit_in_bytes";
const MEMORY_AND_SWAP = "memory.memsw.limit_in_bytes";
/** By the period: what may be too much of the new one, where it was not of the old one. */
const SHARE_OF: Record<string, string> = {
  "cpu.cfs_period_us": "cpu.cfs_quota_us",
  "cpu.rt_period_us": "cpu.rt_runtime_us",
};

/** The kernel refuses a limit on memory above the one on memory and swap: what grows goes first. */
function inOrder(limits: readonly Limit[], current: (limit: Limit) => string): Limit[] {
  const swap = limits.find(({ file }) => file === MEMORY_AND_SWAP);
  if (swap === undefined || !limits.some(({ file }) => file === MEMORY)) return [...limits];
  const grows = swap.value === "-1" || Number(swap.value) > Number(current(swap));
  if (!grows) return [...limits];
  return [swap, ...limits.filter((limit) => limit !== swap)];
}

/**
 * Writes the limits that `resources` has; those it does not have stay.
 * @throws EngineError internal `failed to write "…": write …: …`, as runc says it, when the kernel refuses one, and
 * invalid when the controller is missing
 */
export function updateCgroup(cgroup: Cgroup, resources: Resources): void {
  const unified = isUnified(cgroup);
  const pathOf = ({ controller, file }: Limit): string => {
    const folder = unified ? unifiedFolder(cgroup) : folderOf(cgroup, controller);
    if (!folder || file.includes("/")) {
      throw new EngineError(
        "invalid",
        `cannot set ${file}: the cgroup controller ${controller} is not there`,
      );
    }
    return `${folder.path}/${file}`;
  };
  const chosen = (limit: Limit): Limit => {
    const instead = limit.bfq && { ...limit, ...limit.bfq };
    return instead && existsSync(pathOf(instead)) ? instead : limit;
  };
  const current = (limit: Limit): string => readFileSync(pathOf(limit), "utf8").trim();
  const all = unified ? limitsV2(resources).map(chosen) : inOrder(limitsV1(resources).map(chosen), current);
  const undo: [path: string, value: string][] = [];
  const write = (limit: Limit): void => {
    const path = pathOf(limit);
    const before = current(limit);
    writeFileSync(path, limit.value);
    undo.unshift([path, before]);
  };
  try {
    for (const limit of all) {
      try {
        write(limit);
      } catch (error) {
        const share = all.find(({ file }) => file === SHARE_OF[limit.file]);
        // A period that the old share is too much for: the new share first.
        if (share === undefined || codeOf(error) !== "EINVAL") throw refused(limit, pathOf(limit), error);
        write(share);
        write(limit);
      }
    }
  } catch (error) {
    for (const [path, value] of undo) restore(path, value);
    throw error;
  }
}

const causeOf = (error: unknown): string => {
  const { errno, message } = error as NodeJS.ErrnoException;
  return errno === undefined ? message : errnoMessage(Math.abs(errno));
};

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** In the order in which it undoes, each of the old values was there before. */
function restore(path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch {
    // The container may have used more meanwhile than the old limit lets it.
  }
}

function refused({ file, value }: Limit, path: string, error: unknown): Error {
  if (error instanceof EngineError) return error;
  const usage = file === MEMORY && codeOf(error) === "EBUSY";
  const now = (name: string): string => readFileSync(`${dirname(path)}/memory.${name}`, "utf8").trim();
  const reason = usage
    ? `unable to set memory limit to ${value} (current usage: ${now("usage_in_bytes")}, peak usage: ${now("max_usage_in_bytes")})`
    : `failed to write ${JSON.stringify(value)}: write ${path}: ${causeOf(error)}`;
  return new EngineError("internal", reason, { cause: error });
}
