/**
 * What a failed step means to whoever started a container or an exec, in runc's words: the docker client reads its
 * exit statuses 126 and 127 out of them.
 */
import { ERRNO } from "../../ffi/errno.ts";
import type { StepFailure } from "./stage.ts";

export interface StartFailure {
  message: string;
  /** What the docker client makes of it: 127 not found, 126 cannot be executed, 125 otherwise. */
  status: 125 | 126 | 127;
}

/** Labels that say why themselves. */
const COMPLETE = "executable file not found in $PATH";

export function startFailure(
  failure: Pick<StepFailure, "label" | "message" | "errno" | "process">,
  of: "container" | "exec" = "container",
): StartFailure {
  const { label, message, errno, process } = failure;
  const text = label.endsWith(COMPLETE) ? label : message;
  const ofCommand = label.startsWith("exec: ");
  const inside = of === "container" && process > 0 && !ofCommand;
  return {
    message: `unable to start container process: ${inside ? "error during container init: " : ""}${text}`,
    status: statusOf(label, errno),
  };
}

function statusOf(label: string, errno: number): 125 | 126 | 127 {
  if (!label.startsWith("exec: ") && !label.startsWith("chdir to cwd")) return 125;
  return errno === ERRNO.ENOENT ? 127 : 126;
}
