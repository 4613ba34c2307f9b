/** What a failed start is to clients: Docker's sentence, its status, and the exit code that `docker run` ends with. */
import { EngineError } from "../errors.ts";
import { reasonOf } from "../reason.ts";

const CANNOT_INVOKE = 126;
const NOT_FOUND = 127;
const UNKNOWN = 128;

const CREATE_PREFIX =
  "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: ";
const START_PREFIX = "unable to start container process: ";

/** The sentence of the step that failed, in the words of runc, which clients and their users know. */
export function runtimeSentence(cause: unknown, where: string): string {
  const message = reasonOf(cause)
    .replace(/^(OCI runtime (create|exec) failed: |runc create failed: |exec failed: )+/, "")
    // Of what is looked up in $PATH, every try fails with an errno of its own: none of them is the reason.
    .replace(/(executable file not found in \$PATH): no such file or directory$/, "$1")
    // mount(2) says so when a folder meets a file; move_mount(2), for the same, that an argument is invalid.
    .replace(/(error mounting ".*" to rootfs at ".*"): invalid argument$/, "$1: not a directory");
  // runc finds this out before it begins.
  if (message === "Cwd must be an absolute path") return message;
  return message.startsWith(START_PREFIX) ? message : START_PREFIX + where + message;
}

/** A failure of the shim or runtime, in Docker's frame. */
export function launchError(cause: unknown, workingDir = ""): { error: EngineError; exitCode: number } {
  // Docker makes this folder itself, before its runtime is asked.
  if (workingDir !== "" && reasonOf(cause).endsWith(`mkdir ${workingDir}: not a directory`)) {
    const message = `Cannot mkdir: ${workingDir} is not a directory`;
    return { error: new EngineError("internal", message, { cause }), exitCode: UNKNOWN };
  }
  const message = CREATE_PREFIX + runtimeSentence(cause, "error during container init: ");
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
    cause instanceof EngineError ? cause : new EngineError("internal", reasonOf(cause), { cause });
  return { error, exitCode: UNKNOWN };
}
