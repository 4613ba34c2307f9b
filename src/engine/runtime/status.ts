/**
 * The status page: where each process of a plan notes the step it is at, and why it failed (src/ffi/stage/plan.h).
 * A container may have had it mapped, so it is read with suspicion.
 */
import { ERRNO } from "../../ffi/errno.ts";

export const STATUS_SIZE = 4096;
const PROCESSES = 16;
export const RECORD_SIZE = 16;
/** In a record: the step that the process is at, or was at last. */
export const STEP_AT = 4;
const LOG_AT = PROCESSES * RECORD_SIZE;
const LOG_SIZE = 256;
const STATE_FAILED = 2;

export interface FailedRecord {
  process: number;
  step: number;
  /** Positive. */
  errno: number;
}

/** The failure that explains the others: a hang-up is what the others see of it. */
export function readStatus(page: Uint8Array): { failed: FailedRecord | undefined; log: string } {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  let failed: FailedRecord | undefined;
  for (let process = 0; process < PROCESSES; process++) {
    const at = process * RECORD_SIZE;
    if (view.getUint32(at, true) !== STATE_FAILED) continue;
    const record = { process, step: view.getUint32(at + STEP_AT, true), errno: view.getInt32(at + 8, true) };
    if (failed === undefined || !isHangUp(record.errno)) failed = record;
  }
  return { failed, log: failed === undefined ? "" : readLog(page) };
}

const isHangUp = (errno: number): boolean => errno === ERRNO.ECONNRESET || errno === ERRNO.EPIPE;

/** The kernel's own words, one line of printable characters. */
function readLog(page: Uint8Array): string {
  const bytes = page.subarray(LOG_AT, LOG_AT + LOG_SIZE);
  const end = bytes.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  return text
    .replace(/^[ewi] /, "")
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim();
}
