/**
 * `ts-init`: a pid 1 that forwards signals and reaps orphans, with tini's flags. It reads its flags, then replaces
 * itself by the stage in its REAP step: same pid, a few KB.
 * @source https://github.com/krallin/tini, README
 */
import { readFileSync } from "node:fs";
import { encodePlan } from "../engine/runtime/encode.ts";
import { type Plan, STAGE_FD } from "../engine/runtime/plan.ts";
import { VERSION } from "../engine/version.ts";
import { complain } from "../ffi/host.ts";
import { check, closeFd, sys } from "../ffi/libc.ts";
import { sealedData } from "../ffi/memfd.ts";
import { executeStage } from "../ffi/stage/execute.ts";
import { type InitFlags, parseInitFlags, USAGE } from "./init/flags.ts";
import { initProgramPlan } from "./init/program.ts";

export function main(args: string[]): void {
  const parsed = parseInitFlags(args, process.env);
  switch (parsed.kind) {
    case "help":
      console.log(USAGE);
      return;
    case "version":
      console.log(`ts-init version ${VERSION}`);
      return;
    case "licence":
      console.log(
        "Licensed under the Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0",
      );
      return;
    case "error":
      complain(`ts-init: ${parsed.message}\n${USAGE}`);
      process.exitCode = 1;
      return;
    case "run":
      warn(parsed.flags);
      become(initProgramPlan(parsed.flags, environment()), [process.argv0, ...args]);
  }
}

function warn({ verbosity, subreaper }: InitFlags): void {
  if (verbosity === 0 || subreaper || process.pid === 1) return;
  complain(
    "[WARN  ts-init] Not pid 1 and not a child subreaper (-s, or TINI_SUBREAPER): orphans go elsewhere.",
  );
}

/** As it was given, whatever its encoding. */
function environment(): Uint8Array[] {
  let raw: Uint8Array;
  try {
    raw = readFileSync("/proc/self/environ");
  } catch {
    raw = Buffer.from(
      Object.entries(process.env)
        .map(([name, value]) => `${name}=${value}\0`)
        .join(""),
    );
  }
  const entries: Uint8Array[] = [];
  for (let at = 0; at < raw.length; ) {
    const end = raw.indexOf(0, at);
    entries.push(raw.subarray(at, end < 0 ? raw.length : end));
    at = end < 0 ? raw.length : end + 1;
  }
  return entries;
}

/** This process goes on as the stage. */
function become(plan: Plan, argv: string[]): never {
  const fd = sealedData("ts-plan", encodePlan(plan));
  check(sys("dup3", fd, STAGE_FD.plan, 0), "dup3");
  // The stage's other fds are not there: it keeps its status page to itself
  closeFd(STAGE_FD.status);
  closeFd(STAGE_FD.control);
  executeStage(argv);
}
