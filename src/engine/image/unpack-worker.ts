/**
 * The unpack process: started by the engine for one layer, ends with it. A process of its own rather than a thread:
 * what hostile archives and decompressors do to memory ends with it, it can be killed when a pull is cancelled, and
 * the daemon's own memory does not grow by a pull.
 */
import { readFileSync, writeSync } from "node:fs";
import { sys } from "../../ffi/libc.ts";
import { PR, SIG } from "../../ffi/process.ts";
import { RegistryError } from "../../registry/client/errors.ts";
import { unpack } from "./unpack.ts";
import type { UnpackJob, UnpackReport } from "./unpack-job.ts";

function report(line: UnpackReport): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

export async function main(): Promise<void> {
  // A daemon that is killed must not leave us writing into what its successor sweeps.
  sys("prctl", PR.PR_SET_PDEATHSIG, SIG.SIGKILL);
  // Modes are those of the archive, whatever the daemon's umask.
  process.umask(0);
  const job: UnpackJob = JSON.parse(readFileSync(0, "utf8"));
  try {
    await unpack(job, report);
  } catch (error) {
    const kind = error instanceof RegistryError ? error.kind : "invalid";
    report({ kind: "failed", error: kind, message: (error as Error).message });
  }
  process.exit(0);
}
