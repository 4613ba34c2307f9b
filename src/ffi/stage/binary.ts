/**
 * The stage as an executable file, made once per process.
 */
import { aboveInherited, closeFd } from "../libc.ts";
import { executable } from "../memfd.ts";
import { ARCH } from "../syscalls.ts";
import { STAGE } from "./generated.js";

let sealed: number | undefined;

/** An fd of the stage, to execute by `/proc/self/fd/N`. Close it only when `shared` is false. */
export function stageFd(): { fd: number; shared: boolean } {
  if (sealed !== undefined) return { fd: sealed, shared: true };
  const made = executable("ts-stage", Uint8Array.fromBase64(STAGE[ARCH]));
  const fd = aboveInherited(made.fd);
  closeFd(made.fd);
  // One memfd for all stages of this process, so that they share their text; an unsealed file serves one start
  if (made.sealed) sealed = fd;
  return { fd, shared: made.sealed };
}
