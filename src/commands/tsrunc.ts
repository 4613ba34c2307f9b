/**
 * `tsrunc`: the OCI runtime's command line, with runc's flags, words and statuses. Global flags, then one verb, which
 * is loaded when it is called: a start is a few milliseconds.
 */
import { absolute } from "../ffi/host.ts";
import { type Flags, type FlagTable, parseFlags, UsageError } from "./tsrunc/flags.ts";
import { Log } from "./tsrunc/log.ts";
import { holdSignals } from "./tsrunc/signals.ts";

export interface Context {
  /** Where the containers' states are. */
  root: string;
  /** That was said, not the default. */
  ownRoot: boolean;
  /** New containers are scopes of systemd's. */
  systemd: boolean;
  log: Log;
}

export interface Verb {
  flags: FlagTable;
  usage: string;
  /** The fewest and the most words after the flags; no limit without the second. */
  words: readonly [number, number?];
  /** The exit status; throwing is 1, unless the verb says another. */
  run(words: string[], flags: Flags, context: Context): Promise<number> | number;
  failureStatus?: number;
  /** What follows the first word is another command's, or may be: no flag of this one. */
  flagsFirst?: boolean;
}

const VERBS: Record<string, () => Promise<{ verb: Verb }>> = {
  create: () => import("./tsrunc/create.ts"),
  delete: () => import("./tsrunc/delete.ts"),
  events: () => import("./tsrunc/events.ts"),
  exec: () => import("./tsrunc/exec.ts"),
  explain: () => import("./tsrunc/explain.ts"),
  features: () => import("./tsrunc/features.ts"),
  kill: () => import("./tsrunc/kill.ts"),
  list: () => import("./tsrunc/list.ts"),
  pause: async () => ({ verb: (await import("./tsrunc/pause.ts")).pause }),
  ps: () => import("./tsrunc/ps.ts"),
  resume: async () => ({ verb: (await import("./tsrunc/pause.ts")).resume }),
  run: () => import("./tsrunc/run.ts"),
  spec: () => import("./tsrunc/spec.ts"),
  start: () => import("./tsrunc/start.ts"),
  state: () => import("./tsrunc/state.ts"),
  update: () => import("./tsrunc/update.ts"),
};

/** Of our own calls, and of no use to people. */
const INNER_VERBS: typeof VERBS = {
  "tell-failure": () => import("./tsrunc/tell-failure.ts"),
};

const GLOBAL: FlagTable = {
  debug: { kind: "switch" },
  log: { kind: "value" },
  "log-format": { kind: "value" },
  root: { kind: "value" },
  criu: { kind: "value" },
  "systemd-cgroup": { kind: "switch" },
  rootless: { kind: "value" },
  help: { kind: "switch", short: "h" },
  version: { kind: "switch", short: "v" },
};

const usage = (): string => `tsrunc - Open Container Initiative runtime

Usage: tsrunc [global options] COMMAND [command options] [arguments...]

Commands:
  ${Object.keys(VERBS).join("\n  ")}

Global options:
  --debug              enable debug logging
  --log FILE           set the log file to write logs to (default: stderr)
  --log-format FORMAT  set the log format ('text', or 'json')
  --root DIR           root directory for storage of container state (default: /run/tsrunc)
  --systemd-cgroup     make cgroups by systemd: cgroupsPath is "slice:prefix:name"
  --help, -h           show help
  --version, -v        print the version`;

export async function main(args: string[]): Promise<void> {
  process.exitCode = await run(args);
}

async function run(args: string[]): Promise<number> {
  let log = new Log(undefined, "text");
  try {
    const { flags, rest } = told(() => parseFlags(GLOBAL, args), { before: ".", usage });
    log = new Log(flags.value("log"), flags.value("log-format") ?? "text");
    if (flags.on("version")) return await printVersion();
    const name = rest[0];
    if (name === undefined || name === "help" || flags.on("help")) return say(usage());
    const table = Object.hasOwn(INNER_VERBS, name) ? INNER_VERBS : VERBS;
    const load = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!load) throw new UsageError(`No help topic for '${name}'`, 3);
    if (name === "run" || name === "exec") holdSignals();
    const { verb } = await load();
    const root = absolute(flags.value("root") ?? "/run/tsrunc");
    const context: Context = { root, ownRoot: flags.has("root"), systemd: flags.on("systemd-cgroup"), log };
    return await runVerb(name, verb, rest.slice(1), context);
  } catch (error) {
    log.error((error as Error).message);
    return error instanceof UsageError ? error.status : 1;
  }
}

async function runVerb(name: string, verb: Verb, args: string[], context: Context): Promise<number> {
  const usage = (): string => `Usage: tsrunc ${name} ${verb.usage}`;
  const table: FlagTable = { ...verb.flags, help: { kind: "switch", short: "h" } };
  const first = verb.flagsFirst ?? false;
  const { flags, rest } = told(() => parseFlags(table, args, { first }), { before: ":", usage });
  if (flags.on("help")) return say(usage());
  told(() => checkCount(name, verb.words, rest.length), { usage });
  try {
    return await verb.run(rest, flags, context);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    context.log.error((error as Error).message);
    return verb.failureStatus ?? 1;
  }
}

function checkCount(name: string, [least, most]: Verb["words"], count: number): void {
  const requires = (what: string): UsageError =>
    new UsageError(`tsrunc: "${name}" requires ${what} argument(s)`);
  if (least === most && count !== least) throw requires(`exactly ${least}`);
  if (count < least) throw requires(`a minimum of ${least}`);
  if (most !== undefined && count > most) throw requires(`a maximum of ${most}`);
}

/** What is wrong with a call comes with how to call: the reason too, after what stands `before` it, where runc says it twice. */
function told<T>(work: () => T, { before, usage }: { before?: string; usage: () => string }): T {
  try {
    return work();
  } catch (error) {
    say(`Incorrect Usage${before ? `${before} ${(error as Error).message}` : "."}\n\n${usage()}\n`);
    throw error;
  }
}

function say(text: string): number {
  console.log(text);
  return 0;
}

async function printVersion(): Promise<number> {
  const { VERSION } = await import("../engine/version.ts");
  return say(`tsrunc version ${VERSION}\nspec: 1.2.0`);
}
