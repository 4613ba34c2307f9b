/** `--log-driver` and `--log-opt`. */
import { EngineError } from "../errors.ts";
import { logFileOptions } from "../log/writer.ts";
import { parseGoBool } from "../strconv.ts";
import type { HostConfig } from "./config.ts";

/** Options that change nothing visible are known too, as in Docker. */
const JSON_FILE_OPTIONS = new Set(["max-file", "max-size", "compress", "mode", "max-buffer-size"]);
/** Those that add to each line, and to `logs --details`. */
const DETAILS = new Set(["labels", "labels-regex", "env", "env-regex", "tag"]);

/** Fills in the daemon's defaults. @throws EngineError notImplemented; Error in Docker's words */
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
  if (log.Config["max-buffer-size"] !== undefined && mode !== "non-blocking") {
    throw new Error("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  for (const key of Object.keys(log.Config)) {
    if (DETAILS.has(key)) throw new EngineError("notImplemented", `not implemented yet: --log-opt ${key}`);
    if (!JSON_FILE_OPTIONS.has(key)) throw new Error(`unknown log opt '${key}' for json-file log driver`);
  }
  checkFiles(log.Config);
}

/** What Docker's driver says when the container is started. */
function checkFiles(options: HostConfig["LogConfig"]["Config"]): void {
  try {
    const { maxFiles, maxSize } = logFileOptions(options);
    if (!parseGoBool(options.compress ?? "false")) return;
    if (maxFiles === 1 || maxSize === 0)
      throw new Error("compress cannot be true when max-file is less than 2 or max-size is not set");
  } catch (error) {
    throw new Error(`failed to initialize logging driver: ${(error as Error).message}`, { cause: error });
  }
  throw new EngineError("notImplemented", "not implemented yet: --log-opt compress");
}
