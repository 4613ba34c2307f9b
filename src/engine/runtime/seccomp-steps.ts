/** Installs a seccomp filter. */
import type { PlanBuilder } from "./plan.ts";
import type { Seccomp } from "./spec.ts";

export function installSeccomp(_plan: PlanBuilder, _seccomp: Seccomp): void {}
