/** daemon.json: the same options as the flags, and never both. */
import { readFileSync } from "node:fs";
import { decodeJson } from "../json/decode.ts";
import { flag, int, list, map, type Schema, struct, text } from "../json/schema.ts";
import type { CommandLine } from "./flags.ts";
import { type DaemonConfig, LEVELS, OPTIONS, type Option } from "./options.ts";

const SCHEMAS: Record<Option["kind"], Schema> = {
  string: text,
  bool: flag,
  int,
  list: list(text),
  map: map(text),
  mapmap: map(map(text)),
  pools: list(struct("ipamutils.NetworkToSplit", { base: text, size: int })),
};
const schema = struct(
  "config.Config",
  Object.fromEntries(OPTIONS.map(({ key, kind }) => [key, SCHEMAS[kind]])),
);

/**
 * The configuration of command line and file together.
 * @throws Error `unable to configure the Docker daemon with file PATH: …`
 */
export function mergeConfigFile(line: CommandLine): DaemonConfig {
  const config = { ...line.config, ...readConfigFile(line) };
  const level = config["log-level"];
  if (!(LEVELS as readonly string[]).includes(level)) throw new Error(`invalid logging level: ${level}`);
  // Verifying is a kind of encrypting, and encrypting means to verify unless that is said to be off.
  const said = (key: "tls" | "tlsverify") => line.given.has(key);
  if (config.tlsverify || said("tlsverify")) config.tls = true;
  if (config.tls && !said("tlsverify")) config.tlsverify = true;
  return config;
}

function readConfigFile(line: CommandLine): Partial<DaemonConfig> {
  let content: string;
  try {
    content = readFileSync(line.configFile, "utf8");
  } catch (error) {
    if (!line.configFileGiven && (error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw failed(line, `open ${line.configFile}: ${reason(error)}`);
  }
  content = content.replace(/^\uFEFF/, "").trim();
  if (content === "") return {};
  let values: Record<string, unknown>;
  try {
    values = decodeJson<Record<string, unknown>>(content, map({ type: "interface {}", kind: "any" }));
    refuseUnknown(values);
    refuseConflicts(values, line);
    const decoded = decodeJson<Partial<DaemonConfig>>(content, schema);
    checkValues(decoded);
    return decoded;
  } catch (error) {
    throw failed(line, (error as Error).message);
  }
}

const failed = ({ configFile }: CommandLine, problem: string) =>
  new Error(`unable to configure the Docker daemon with file ${configFile}: ${problem}`);

function reason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file or directory";
  return code === "EACCES" ? "permission denied" : (error as Error).message;
}

function refuseUnknown(values: Record<string, unknown>): void {
  const unknown = Object.keys(values).filter((key) => !OPTIONS.some((option) => option.key === key));
  if (unknown.length > 0) {
    throw new Error(`the following directives don't match any configuration option: ${unknown.join(", ")}`);
  }
}

function refuseConflicts(values: Record<string, unknown>, { given, config }: CommandLine): void {
  const conflicts = OPTIONS.filter(({ key }) => given.has(key) && Object.hasOwn(values, key)).map(
    ({ key }) => `${key}: (from flag: ${goValue(config[key])}, from file: ${goValue(values[key])})`,
  );
  if (conflicts.length > 0) {
    throw new Error(
      `the following directives are specified both as a flag and in the configuration file: ${conflicts.join(", ")}`,
    );
  }
}

/** As Go's `%v`. */
function goValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(" ")}]`;
  if (typeof value === "object" && value !== null) {
    return `map[${Object.entries(value)
      .map(([key, item]) => `${key}:${item}`)
      .join(" ")}]`;
  }
  return String(value);
}

function checkValues(values: Partial<DaemonConfig>): void {
  for (const { key, check } of OPTIONS) {
    const value = values[key];
    if (!check || value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) {
      const problem = check(String(item));
      if (problem !== undefined) throw new Error(problem);
    }
  }
}
