/**
 * The plan of `ts-init` as a program.
 */
import { accessSync, constants, existsSync } from "node:fs";
import { superviseCommand } from "../../engine/runtime/init-plan.ts";
import { named, type Plan, PlanBuilder } from "../../engine/runtime/plan.ts";
import { ERRNO, errnoMessage } from "../../ffi/errno.ts";
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

/** Executes, or says why not and ends with a shell's 127 or 126. */
function executeCommand(b: PlanBuilder, command: readonly string[], env: readonly Uint8Array[]): void {
  const name = command[0] ?? "";
  const variables = b.pointers(
    env.map((entry) => b.cstring(entry)),
    `[${env.length} variables]`,
  );
  const error = b.slot("error");
  b.call("execve", [b.string(findProgram(name)), b.strings(command), variables], {
    slot: error,
    tolerate: "all",
  });
  for (const [errno, status] of [
    [ERRNO.ENOENT, 127],
    [ERRNO.EACCES, 126],
    [ERRNO.ENOEXEC, 126],
  ] as const) {
    const other = b.label(`not ${errno}`);
    const here = b.label(`is ${errno}`);
    b.jumpWhen(error, { equals: -errno }, here);
    b.jump(other);
    b.place(here);
    complain(b, `exec ${name} failed: ${errnoMessage(errno)}`, status);
    b.place(other);
  }
  complain(b, `exec ${name} failed`, 1);
}

function complain(b: PlanBuilder, text: string, status: number): void {
  const line = b.string(`[FATAL ts-init] ${text}\n`);
  b.call("write", [2, line, line.size - 1], { tolerate: "all" });
  b.call("exit_group", [status]);
}

/** As execvp(3): the first program in PATH that may be executed, else the first that is there. */
function findProgram(name: string): string {
  if (name.includes("/") || name === "") return name;
  let there: string | undefined;
  for (const folder of (process.env.PATH ?? "/usr/local/bin:/bin:/usr/bin").split(":")) {
    const path = `${folder || "."}/${name}`;
    if (!existsSync(path)) continue;
    there ??= path;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next one may do
    }
  }
  return there ?? name;
}
