/** What a failed start is to clients: Docker's sentence, its status, and the exit code that `docker run` ends with. */
import { EngineError } from "../errors.ts";

const CANNOT_INVOKE = 126;
const NOT_FOUND = 127;
const UNKNOWN = 128;

const CREATE_PREFIX = "failed to create task for container: ";
/** Where the shim's own sentence does not say so yet. */
const RUNTIME_PREFIX = "failed to create shim task: OCI runtime create failed: runc create failed: ";

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A failure of the shim or runtime, in Docker's frame. */
export function launchError(cause: unknown): { error: EngineError; exitCode: number } {
  let message = messageOf(cause);
  if (!message.startsWith("failed to create")) {
    message = RUNTIME_PREFIX + message.replace(/^OCI runtime create failed: (runc create failed: )?/, "");
  }
  if (!message.startsWith(CREATE_PREFIX)) message = CREATE_PREFIX + message;
  const { kind, exitCode, suffix } = classify(message, codeOf(cause));
  return { error: new EngineError(kind, message + suffix, { cause }), exitCode };
}

const codeOf = (cause: unknown): unknown => (cause as { code?: unknown } | undefined)?.code;

/** The client looks for the same words to choose between 125, 126 and 127. */
export function classify(
  message: string,
  code?: unknown,
): { kind: "invalid" | "internal"; exitCode: number; suffix: string } {
  const text = message.toLowerCase();
  if (text.includes("permission denied")) return { kind: "invalid", exitCode: CANNOT_INVOKE, suffix: "" };
  if (text.includes("is a directory"))
    return { kind: "invalid", exitCode: CANNOT_INVOKE, suffix: ": permission denied" };
  if (text.includes("not a directory")) {
    return {
      kind: "invalid",
      exitCode: NOT_FOUND,
      suffix:
        ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type",
    };
  }
  if (text.includes("executable file not found") || text.includes("no such file or directory")) {
    return { kind: "invalid", exitCode: NOT_FOUND, suffix: "" };
  }
  if (code === CANNOT_INVOKE || code === NOT_FOUND) return { kind: "invalid", exitCode: code, suffix: "" };
  return { kind: "internal", exitCode: UNKNOWN, suffix: "" };
}

/** Any other failure on the way to a start keeps its words. */
export function otherStartError(cause: unknown): { error: EngineError; exitCode: number } {
  const error =
    cause instanceof EngineError ? cause : new EngineError("internal", messageOf(cause), { cause });
  return { error, exitCode: UNKNOWN };
}
