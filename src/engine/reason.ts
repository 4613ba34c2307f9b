/** What a client is told of an error. */
import { errnoMessage } from "../ffi/errno.ts";

/** Of one of the kernel's, as node has it: what failed and why, and not where on the host. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { syscall, errno, path } = error as NodeJS.ErrnoException;
  if (syscall === undefined || errno === undefined || path === undefined) return error.message;
  return `${syscall}: ${errnoMessage(Math.abs(errno))}`;
}
