/**
 * tini's flags and environment.
 */
import { SIG } from "../../ffi/process.ts";

export const USAGE = `Usage: ts-init [OPTIONS] PROGRAM [ARGS] | --version

Runs PROGRAM as its child, forwards signals to it, reaps orphans, and ends with its exit status.

  -h           Show this and exit.
  -s           Register as a child subreaper: for when this is not pid 1.
  -p SIGNAL    Get SIGNAL when the parent process dies, e.g. SIGKILL.
  -v           Say more; up to three times.
  -w           Say which orphans were reaped.
  -g           Send signals to the child's process group.
  -e STATUS    Turn this exit status of the child's (0 to 255) into 0; may be repeated.
  -l           Show the licence and exit.

  TINI_SUBREAPER           As -s.
  TINI_KILL_PROCESS_GROUP  As -g.
  TINI_VERBOSITY           How much to say: 0 to 3 (default 1).`;

export interface InitFlags {
  subreaper: boolean;
  /** 0: none. */
  parentDeathSignal: number;
  /** 0 to 3. */
  verbosity: number;
  warnOnReap: boolean;
  group: boolean;
  remap: number[];
  /** The program and its arguments. */
  command: string[];
}

export type ParsedInit =
  | { kind: "help" | "licence" | "version" }
  | { kind: "error"; message: string }
  | { kind: "run"; flags: InitFlags };

/** Flags end at the first word that is none, or at `--`. They may be joined (`-sgw`). */
export function parseInitFlags(args: readonly string[], env: Record<string, string | undefined>): ParsedInit {
  const flags: InitFlags = {
    subreaper: env.TINI_SUBREAPER !== undefined,
    parentDeathSignal: 0,
    verbosity: 1,
    warnOnReap: false,
    group: env.TINI_KILL_PROCESS_GROUP !== undefined,
    remap: [],
    command: [],
  };
  if (env.TINI_VERBOSITY !== undefined && /^\d+$/.test(env.TINI_VERBOSITY))
    flags.verbosity = Number(env.TINI_VERBOSITY);
  if (args.length === 1 && args[0] === "--version") return { kind: "version" };

  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--") {
      at++;
      break;
    }
    if (!word.startsWith("-") || word === "-") break;
    for (let i = 1; i < word.length; i++) {
      const letter = word[i]!;
      if (letter === "h") return { kind: "help" };
      if (letter === "l") return { kind: "licence" };
      if (letter === "s") flags.subreaper = true;
      else if (letter === "v") flags.verbosity++;
      else if (letter === "w") flags.warnOnReap = true;
      else if (letter === "g") flags.group = true;
      else if (letter === "p" || letter === "e") {
        const value = word.slice(i + 1) || args[++at];
        if (value === undefined)
          return { kind: "error", message: `option requires an argument -- '${letter}'` };
        const message = letter === "p" ? setSignal(flags, value) : addRemap(flags, value);
        if (message !== undefined) return { kind: "error", message };
        break;
      } else return { kind: "error", message: `invalid option -- '${letter}'` };
    }
  }
  flags.command = args.slice(at);
  return flags.command.length > 0
    ? { kind: "run", flags }
    : { kind: "error", message: "no PROGRAM is given" };
}

function setSignal(flags: InitFlags, name: string): string | undefined {
  if (!Object.hasOwn(SIG, name)) return `not a valid signal for -p: ${name}`;
  flags.parentDeathSignal = SIG[name as keyof typeof SIG];
  return undefined;
}

function addRemap(flags: InitFlags, status: string): string | undefined {
  if (!/^\d{1,3}$/.test(status) || Number(status) > 255) return `not a valid exit status for -e: ${status}`;
  flags.remap.push(Number(status));
  return undefined;
}
