/**
 * The command: found as Go's exec.LookPath would (runc's words for what is wrong are the docker client's exit
 * statuses 126 and 127), then executed.
 */
import { ERRNO, errnoMessage } from "../../ffi/errno.ts";
import { AT } from "../../ffi/file.ts";
import { EngineError } from "../errors.ts";
import { flags, named, type PlanBuilder } from "./plan.ts";
import type { Process } from "./spec.ts";
import type { Data, Label, Slot } from "./steps.ts";

const CWD = flags(AT, "AT_FDCWD");
const X_OK = named("X_OK", 1);
const EFFECTIVE = flags(AT, "AT_EACCESS");

/** Where `name` may be: itself when it has a slash, else in every folder of the process's own PATH. */
export function candidates(name: string, env: readonly string[]): string[] {
  if (name.includes("/")) return [name];
  const path = env.findLast((entry) => entry.startsWith("PATH="))?.slice(5) ?? "";
  // A relative folder is refused by Go since 1.19: it would find what lies in the working directory.
  return path
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => `${folder.replace(/\/+$/, "")}/${name}`);
}

export interface Command {
  /** Address of the path that will be executed, and its length in bytes. */
  readonly path: Slot;
  readonly length: Slot;
  readonly argv: Data;
  readonly envp: Data;
  readonly name: string;
}

/**
 * Leaves the path in a slot, or fails in runc's words. Runs as the user, inside the container. `file` is what to execute
 * where the first word is not it.
 */
export function lookUpCommand(plan: PlanBuilder, process: Process, file?: string): Command {
  const args = process.args ?? [];
  const name = file ?? args[0];
  if (name === undefined) throw new EngineError("invalid", "process.args must not be empty");
  const env = process.env ?? [];
  const path = plan.slot("path of the command");
  const length = plan.slot("length of that path");
  const found = plan.label("the command is found");
  const paths = candidates(name, env);
  const allowed = plan.slot("may be executed");
  const capable = mayAll(process);
  for (const candidate of paths) tryCandidate(plan, candidate, { path, length, allowed, found, capable });
  if (name.includes("/")) failForPath(plan, name);
  else {
    const label = `exec: ${JSON.stringify(name)}: executable file not found in $PATH`;
    plan.add({ op: "fail", errno: ERRNO.ENOENT, label });
  }
  plan.place(found);
  return { path, length, argv: plan.strings(args), envp: plan.strings(env), name };
}

/** What faccessat(2) leaves out: the capability of who is not root. */
const mayAll = ({ user, capabilities }: Process): boolean =>
  (user?.uid ?? 0) !== 0 && (capabilities?.effective?.includes("CAP_DAC_OVERRIDE") ?? false);

/** Executable by this user and no folder. */
function tryCandidate(
  plan: PlanBuilder,
  candidate: string,
  to: { path: Slot; length: Slot; allowed: Slot; found: Label; capable: boolean },
): void {
  const { path, length, allowed, found, capable } = to;
  const text = plan.string(candidate);
  const label = `look for ${candidate}`;
  const next = plan.label(`not ${candidate}`);
  plan.call("faccessat", [CWD, text, X_OK], { label, slot: allowed, tolerate: "all" });
  if (capable)
    plan.unless(allowed, "zero", () =>
      plan.call("faccessat2", [CWD, text, X_OK, EFFECTIVE], { label, slot: allowed, tolerate: "all" }),
    );
  plan.jumpWhen(allowed, "negative", next);
  // Folders are executable too: only they can be followed by a dot.
  plan.call("faccessat", [CWD, plan.string(`${candidate}/.`), 0], { label, slot: allowed, tolerate: "all" });
  plan.jumpWhen(allowed, "zero", next);
  plan.get(plan.pointers([text], `&${text.show}`), "u64", { slot: path }, label);
  const size = text.size - 1;
  plan.get(plan.struct(8, String(size), [[0, "u64", size]]), "u64", { slot: length }, label);
  plan.jump(found);
  plan.place(next);
}

/** Why the one path that was named cannot be executed. */
function failForPath(plan: PlanBuilder, name: string): void {
  const quoted = JSON.stringify(name);
  const result = plan.slot("stat");
  const stat = plan.space(256, "statx");
  plan.call("statx", [CWD, plan.string(name), 0, named("STATX_TYPE", 1), stat], {
    label: `exec: ${quoted}: stat ${name}`,
  });
  const folder = plan.label("it is a folder");
  plan.call("faccessat", [CWD, plan.string(`${name}/.`), 0], {
    label: `exec: ${quoted}`,
    slot: result,
    tolerate: "all",
  });
  plan.jumpWhen(result, "zero", folder);
  plan.add({ op: "fail", errno: ERRNO.EACCES, label: `exec: ${quoted}` });
  plan.place(folder);
  plan.add({ op: "fail", errno: ERRNO.EISDIR, label: `exec: ${quoted}` });
}

/** The reasons that users meet after the file was found: a wrong machine, a missing interpreter, a noexec mount. */
const REASONS = [
  ERRNO.ENOEXEC,
  ERRNO.ENOENT,
  ERRNO.EACCES,
  ERRNO.E2BIG,
  ERRNO.EPERM,
  ERRNO.ETXTBSY,
  ERRNO.ELIBBAD,
  ERRNO.ENOMEM,
] as const;

/**
 * The last step. The container counts as started here, so a failure is told on its own stderr and ends it with 255,
 * as docker users know it (`exec /bin/app: exec format error`): with the path that was found.
 */
export function execute(plan: PlanBuilder, command: Command): void {
  const result = plan.slot("execve");
  const { path, length, argv, envp, name } = command;
  plan.call("execve", [path, argv, envp], { label: `exec ${name}`, slot: result, tolerate: "all" });
  tell(plan, "exec ");
  plan.call("write", [2, path, length], { label: "tell why", tolerate: "all" });
  const ended = plan.label("told");
  for (const errno of REASONS) {
    const next = plan.label(`not ${errno}`);
    const matches = plan.label(`errno ${errno}`);
    plan.jumpWhen(result, { equals: -errno }, matches);
    plan.jump(next);
    plan.place(matches);
    tell(plan, `: ${errnoMessage(errno)}\n`);
    plan.jump(ended);
    plan.place(next);
  }
  tell(plan, ": cannot be executed\n");
  plan.place(ended);
  plan.call("exit_group", [255]);
}

function tell(plan: PlanBuilder, text: string): void {
  const data = plan.string(text);
  plan.call("write", [2, data, data.size - 1], { label: "tell why", tolerate: "all" });
}
