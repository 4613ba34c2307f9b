/** `--log-driver` and `--log-opt`. */
import type { HostConfig } from "./config.ts";

/** Options that change nothing visible are known too, as in Docker. */
const JSON_FILE_OPTIONS = new Set(["max-file", "max-size", "compress", "mode", "max-buffer-size"]);

/** Fills in the daemon's defaults. @throws Error in Docker's words */
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
    if (!JSON_FILE_OPTIONS.has(key)) throw new Error(`unknown log opt '${key}' for json-file log driver`);
  }
}
