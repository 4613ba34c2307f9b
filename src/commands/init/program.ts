/**
 * The plan of `ts-init` as a program.
 */
import { executeOrTell, superviseCommand } from "../../engine/runtime/init-plan.ts";
import { named, type Plan, PlanBuilder } from "../../engine/runtime/plan.ts";
import { PR } from "../../ffi/process.ts";
import type { InitFlags } from "./flags.ts";

export function initProgramPlan(flags: InitFlags, env: readonly Uint8Array[]): Plan {
  const b = new PlanBuilder();
  b.call("prctl", [named("PR_SET_NAME", PR.PR_SET_NAME), b.string("ts-init")], { label: "name init" });
  if (flags.parentDeathSignal > 0) {
    b.call("prctl", [named("PR_SET_PDEATHSIG", PR.PR_SET_PDEATHSIG), flags.parentDeathSignal]);
  }
  if (flags.subreaper) b.call("prctl", [named("PR_SET_CHILD_SUBREAPER", PR.PR_SET_CHILD_SUBREAPER), 1]);
  const reap = {
    group: flags.group,
    warn: flags.warnOnReap,
    remap: flags.remap.length > 0 ? flags.remap : undefined,
  };
  superviseCommand(b, { reap, command: (child) => executeCommand(child, flags.command, env) });
  return b.build();
}

function executeCommand(b: PlanBuilder, argv: readonly string[], env: readonly Uint8Array[]): void {
  const envp = b.pointers(
    env.map((entry) => b.cstring(entry)),
    `[${env.length} variables]`,
  );
  executeOrTell(b, { paths: pathsOf(argv[0] ?? ""), argv, envp, init: "ts-init" });
}

/** As execvp(3). */
function pathsOf(name: string): string[] {
  if (name.includes("/") || name === "") return [name];
  const folders = (process.env.PATH ?? "/usr/local/bin:/bin:/usr/bin").split(":");
  return folders.map((folder) => `${folder || "."}/${name}`);
}
