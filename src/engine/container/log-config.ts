/** `--log-driver` and `--log-opt`. */
import { humanSize } from "../log/writer.ts";
import { parseGoBool } from "../strconv.ts";
import type { HostConfig } from "./config.ts";

const JSON_FILE_OPTIONS = new Set(
  "max-file max-size compress labels labels-regex env env-regex tag".split(" "),
);
/**
 * Of every driver. Here they change nothing that can be seen: a log never slows its container, and this one can be
 * read without a cache.
 */
const COMMON_OPTIONS = new Set(
  "mode max-buffer-size cache-disabled cache-max-file cache-max-size cache-compress".split(" "),
);

/** Fills in the daemon's defaults. What the values are worth is found out at the start. @throws Error in Docker's words */
export function validateLogConfig(log: HostConfig["LogConfig"], defaults: HostConfig["LogConfig"]): void {
  log.Type ||= defaults.Type;
  if (log.Type === defaults.Type) log.Config = { ...defaults.Config, ...log.Config };
  if (log.Type === "none") return;
  if (log.Type !== "json-file") {
    throw new Error(
      `error looking up logging plugin ${log.Type}: plugin ${JSON.stringify(log.Type)} not found`,
    );
  }
  const { mode } = log.Config;
  if (mode !== undefined && !["", "blocking", "non-blocking"].includes(mode)) {
    throw new Error(`logger: logging mode not supported: ${mode}`);
  }
  const buffer = log.Config["max-buffer-size"];
  if (buffer !== undefined) {
    if (mode !== "non-blocking")
      throw new Error("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    checkBufferSize(buffer);
  }
  checkCache(log.Config["cache-disabled"]);
  for (const key of Object.keys(log.Config)) {
    if (!JSON_FILE_OPTIONS.has(key) && !COMMON_OPTIONS.has(key))
      throw new Error(`unknown log opt '${key}' for json-file log driver`);
  }
}

function checkBufferSize(size: string): void {
  try {
    humanSize(size);
  } catch (error) {
    throw new Error(`error parsing option max-buffer-size: ${(error as Error).message}`, { cause: error });
  }
}

function checkCache(disabled = ""): void {
  try {
    if (disabled !== "") parseGoBool(disabled);
  } catch {
    throw new Error(`invalid value for option cache-disabled: ${disabled}`);
  }
}
