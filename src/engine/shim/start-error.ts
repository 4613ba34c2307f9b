/** Why a start failed, as the daemon hears it. */
import { EngineError } from "../errors.ts";
import { StepFailure } from "../runtime/stage.ts";

/** A start that failed, with the exit status that docker's client makes of runc's words. */
export function startError(error: unknown): Error {
  if (error instanceof EngineError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const failed = new EngineError(error instanceof StepFailure ? "invalid" : "internal", message, {
    cause: error,
  });
  return Object.assign(failed, { code: startStatus(message) });
}

function startStatus(message: string): number | undefined {
  if (/executable file not found|no such file or directory|system cannot find the file/.test(message))
    return 127;
  if (/permission denied|not a directory|is a directory|exec format error/i.test(message)) return 126;
  return undefined;
}
