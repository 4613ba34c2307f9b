/** What is asked of an exec root's path. */
import { join } from "node:path";
import { SOCKET_PATH_MAX } from "../../ffi/socket.ts";

/** A keeper's socket has the longest path there. @throws Error */
export function requireShortExecRoot(execRoot: string): void {
  const excess = Buffer.byteLength(join(execRoot, "k", `${"x".repeat(24)}.sock`)) - SOCKET_PATH_MAX;
  if (excess > 0) throw new Error(`the exec root ${execRoot} is too long by ${excess} bytes`);
}
