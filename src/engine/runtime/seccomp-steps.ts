/** Installs a seccomp filter in the calling process. */
import { SECCOMP } from "../../ffi/process.ts";
import { EngineError } from "../errors.ts";
import { flags, type PlanBuilder } from "./plan.ts";
import type { Seccomp } from "./spec.ts";

/** Those of the specification; TSYNC means nothing to a process with one thread. */
const FLAGS = {
  SECCOMP_FILTER_FLAG_LOG: "SECCOMP_FILTER_FLAG_LOG",
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  SECCOMP_FILTER_FLAG_TSYNC: undefined,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: undefined,
} as const;

/** A profile that says nothing is none, as for runc. */
export const isNone = ({ defaultAction, syscalls }: Seccomp): boolean => !defaultAction && !syscalls?.length;

/** `filter` is what `compileFilter` has made of the profile: whoever keeps filters can do without compiling them. */
export function installSeccomp(plan: PlanBuilder, profile: Seccomp, filter: Uint8Array | undefined): void {
  if (isNone(profile)) return;
  if (profile.listenerPath)
    throw new EngineError("notImplemented", "seccomp: listenerPath is not supported yet");
  // Never a container without the filter that it was to have.
  if (!filter) throw new EngineError("internal", "seccomp: the profile was not compiled");
  const length = filter.length / 8;
  const code = plan.bytes(filter, `filter, ${length} instructions`);
  const prog = plan.struct(16, `{${length}, filter}`, [
    [0, "u16", length],
    [8, "u64", code],
  ]);
  // As runc: when nothing is said, without the speculation barriers, which cost much and protect little.
  const names: (keyof typeof SECCOMP)[] = [];
  for (const name of profile.flags ?? ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]) {
    if (!Object.hasOwn(FLAGS, name)) throw new EngineError("invalid", `seccomp flag not known: ${name}`);
    const flag = FLAGS[name as keyof typeof FLAGS];
    if (flag !== undefined) names.push(flag);
  }
  const how = flags(SECCOMP, ...names);
  plan.call("seccomp", [flags(SECCOMP, "SECCOMP_SET_MODE_FILTER"), how, prog], {
    label: "unable to init seccomp: error loading seccomp filter into kernel",
  });
}
