/**
 * Finds the verb that the words name, parses its flags and runs it. Each verb is loaded when it is needed, except for
 * `run` (verbs.ts).
 *
 * What all of them do, and all that `run` does before its request, is done once in a process, so that its first time is what
 * counts: the engine compiles a regular expression at its first use, and likewise those of its own functions that are
 * JavaScript (`new Promise`, `Array.from`, an array's `find`, `map`, `filter`, `some`, `flatMap`), 0.03 to 0.1 ms each, of 2.5.
 * Hence plain loops.
 */
import { type ApiClient, ApiError, ConnectionError } from "../../engine/api/client.ts";
import { versionLine } from "../version-line.ts";
import type { Arity, Command, Context, GlobalOptions } from "./command.ts";
import { connect } from "./connect.ts";
import { Failure, messageOf, UsageError } from "./failure.ts";
import { bool, type Flag, list, type ParsedFlags, parseFlags, string } from "./flags.ts";
import { err, flushed, out } from "./output.ts";
import { GROUPS, notYet, resolveVerb, VERBS, wordsOf } from "./verbs.ts";

const ROOT_FLAGS: readonly Flag[] = [
  string("config", undefined, "Location of client config files"),
  string(
    "context",
    "c",
    "Name of the context to connect with (overrides DOCKER_HOST and the default context)",
  ),
  bool("debug", "D", "Enable debug mode"),
  list("host", "H", "Daemon socket to connect to"),
  string("log-level", "l", 'Logging level ("debug", "info", "warn", "error", "fatal")', { default: "info" }),
  bool("tls", undefined, "Use TLS; implied by --tlsverify"),
  string("tlscacert", undefined, "Trust certificates signed by this CA only"),
  string("tlscert", undefined, "Path to the TLS certificate"),
  string("tlskey", undefined, "Path to the TLS key"),
  bool("tlsverify", undefined, "Use TLS and verify the daemon"),
  bool("version", "v", "Print version information and quit"),
];

type Print = (text: string) => void;

const LEVELS = new Set(["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"]);

/** A command that is not over by then stays for a while: attached to a container, say. */
const STAYS_MS = 1000;

/** Runs one command line; gives the exit status. */
export async function run(program: string, args: string[]): Promise<number> {
  setTimeout(() => import("../../ffi/memory.ts").then(({ releaseCode }) => releaseCode()), STAYS_MS).unref();
  try {
    const status = await dispatch(program, args);
    await flushed();
    return status;
  } catch (error) {
    const known = error instanceof Failure || error instanceof ApiError || error instanceof ConnectionError;
    if (!known && process.env.TSD_TRACE) throw error;
    const message = messageOf(error);
    if (message !== "") err(`${message}\n`);
    await flushed().catch(() => {});
    return error instanceof Failure ? error.status : 1;
  }
}

async function dispatch(program: string, args: string[]): Promise<number> {
  let root: ReturnType<typeof parseFlags>;
  try {
    root = parseFlags(args, ROOT_FLAGS, false);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new Failure(
      `${error.message}\n\nUsage:  ${program} [OPTIONS] COMMAND [ARG...]\n\nRun '${program} --help' for more information`,
      125,
    );
  }
  const words = root.args;
  if (root.flags.bool("version")) {
    out(versionLine(program));
    return 0;
  }
  const level = root.flags.string("log-level");
  if (!LEVELS.has(level.toLowerCase())) throw new Failure(`Unable to parse logging level: ${level}`);
  if (root.help) return showRootHelp(program, out);
  // Asked for nothing, it explains itself where a script does not take it for an answer.
  if (words.length === 0) return showRootHelp(program, err);
  if (words[0] === "help")
    return words.length === 1 ? showRootHelp(program, out) : helpOn(program, words.slice(1));
  const global = globalOptions(root.flags);
  if (words[0] === "install" || words[0] === "uninstall") return plainProgram(words[0], words.slice(1));
  const found = resolveVerb(words);
  if (!found) return unknownWord(program, words);
  if ("group" in found) return showGroupHelp(program, found.group, words.length > 1 ? out : err);
  const { command } = await found.load();
  return runCommand(program, found.path, found.name, command, words.slice(found.used), global);
}

async function helpOn(program: string, words: string[]): Promise<number> {
  const found = resolveVerb(words);
  const known = !found ? 0 : "group" in found ? 1 : found.used;
  if (known < words.length)
    throw new Failure(`unknown help topic: ${words.slice(known === 0 ? 0 : known).join(" ")}`);
  return dispatch(program, [...words, "--help"]);
}

async function plainProgram(name: "install" | "uninstall", args: string[]): Promise<number> {
  const { main: run } = name === "install" ? await import("../install.ts") : await import("../uninstall.ts");
  await run(args);
  return Number(process.exitCode ?? 0);
}

async function runCommand(
  program: string,
  path: string,
  name: string,
  command: Command,
  words: string[],
  global: GlobalOptions,
): Promise<number> {
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(words, command.flags, command.interspersed ?? true);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const { usageLine } = await import("./help.ts");
    const usage = usageLine(program, path, command);
    throw new Failure(
      `${error.message}\n\nUsage:  ${usage}\n\nRun '${program} ${path} --help' for more information`,
      125,
    );
  }
  for (const { name, deprecated } of command.flags)
    if (deprecated && parsed.flags.has(name)) out(`Flag --${name} has been deprecated, ${deprecated}\n`);
  if (parsed.help) {
    if (parsed.shortHelp) out("Flag shorthand -h has been deprecated, use --help\n");
    const [{ commandHelp }, { aliasesOf }] = [await import("./help.ts"), await import("./verbs.ts")];
    out(commandHelp(program, path, command, aliasesOf(name), (await helpWidth()) - 1));
    return 0;
  }
  const complaint = checkArity(command.arity ?? null, parsed.args.length);
  if (complaint) {
    const { usageLine } = await import("./help.ts");
    const see = "min" in (command.arity ?? {}) ? "See" : "Run";
    throw new Failure(
      `${program}: '${program} ${path}' ${complaint}\n\nUsage:  ${usageLine(program, path, command)}\n\n${see} '${program} ${path} --help' for more information`,
    );
  }
  let connected: ApiClient | undefined;
  const context: Context = {
    program,
    path,
    args: parsed.args,
    flags: parsed.flags,
    global,
    client: async () => {
      connected ??= connect(global);
      return connected;
    },
  };
  return (await command.run(context)) ?? 0;
}

function checkArity(arity: Arity, count: number): string | undefined {
  if (arity === null) return undefined;
  const plural = (number: number): string => `${number} argument${number === 1 ? "" : "s"}`;
  if ("exact" in arity) {
    if (count === arity.exact) return undefined;
    return arity.exact === 0 ? "accepts no arguments" : `requires ${plural(arity.exact)}`;
  }
  if ("min" in arity) return count >= arity.min ? undefined : `requires at least ${plural(arity.min)}`;
  if ("max" in arity) return count <= arity.max ? undefined : `requires at most ${plural(arity.max)}`;
  const [least, most] = arity.range;
  return count >= least && count <= most
    ? undefined
    : `requires at least ${least} and at most ${plural(most)}`;
}

function globalOptions(flags: ParsedFlags): GlobalOptions {
  const maybe = (name: string): string | undefined => flags.string(name) || undefined;
  const options: GlobalOptions = {
    hosts: flags.list("host"),
    debug: flags.bool("debug"),
    logLevel: flags.string("log-level"),
    tls: flags.bool("tls"),
  };
  if (flags.has("tlsverify")) options.tlsVerify = flags.bool("tlsverify");
  const words = {
    config: "config",
    context: "context",
    tlsCaCert: "tlscacert",
    tlsCert: "tlscert",
    tlsKey: "tlskey",
  } as const;
  for (const [field, name] of Object.entries(words) as [keyof typeof words, string][]) {
    const value = maybe(name);
    if (value !== undefined) options[field] = value;
  }
  return options;
}

async function helpWidth(): Promise<number> {
  const { terminalSize } = await import("./terminal.ts");
  return terminalSize()?.[1] ?? 80;
}

async function showRootHelp(program: string, print: Print): Promise<number> {
  const { rootHelp } = await import("./help.ts");
  const { helpSections } = await import("./verbs.ts");
  print(rootHelp(program, helpSections(), ROOT_FLAGS, (await helpWidth()) - 1));
  return 0;
}

async function showGroupHelp(program: string, name: string, print: Print): Promise<number> {
  const { groupHelp } = await import("./help.ts");
  const group = GROUPS[name] as (typeof GROUPS)[string];
  const entries = wordsOf(group).map(
    ([word, verb]) => [word, (VERBS[verb] as { short: string }).short] as const,
  );
  print(
    groupHelp(
      program,
      name,
      group.short,
      entries.toSorted((a, b) => (a[0] < b[0] ? -1 : 1)),
    ),
  );
  return 0;
}

async function unknownWord(program: string, words: string[]): Promise<number> {
  const later = notYet(words);
  if (later !== undefined)
    throw new Failure(`${program}: '${program} ${later}' is not available yet: this version cannot do it`);
  const { nearest } = await import("./nearest.ts");
  const group = GROUPS[words[0] as string];
  const path = group ? `${program} ${words[0]}` : program;
  const word = (group ? words[1] : words[0]) as string;
  const guess = nearest(
    word,
    group
      ? wordsOf(group).map(([known]) => known)
      : [...Object.keys(VERBS).filter((name) => !name.includes(" ")), ...Object.keys(GROUPS)],
  );
  const hint = guess ? `\n\nDid you mean '${path} ${guess}'?` : "";
  const usage = group ? `\n\nUsage:  ${path}` : "";
  throw new Failure(
    `${program}: unknown command: ${path} ${word}${usage}\n\nRun '${path} --help' for more information${hint}`,
  );
}
