/**
 * The record that a keeper leaves when its process ends, on tmpfs, for who comes later (src/ffi/stage/plan.h).
 */
import { readFileSync } from "node:fs";

const MAGIC = 0x52585354;
export const EXIT_RECORD_SIZE = 72;

export interface ExitRecord {
  pid: number;
  /** 0–255, or 128+n for a signal. */
  status: number;
  /** Nanoseconds since the epoch. */
  time: bigint;
  /** Bit n: the watch n of the KEEP step had fired. */
  watches: number;
  bootId: string;
}

/** Undefined while the process runs (the file is preallocated, all zeros), or when there is no such record. */
export function readExitRecord(path: string): ExitRecord | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (bytes.length < EXIT_RECORD_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // A newer version only adds fields after these
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) < 1) return undefined;
  return {
    pid: view.getInt32(8, true),
    status: view.getInt32(12, true),
    time: view.getBigInt64(16, true),
    watches: view.getUint32(24, true),
    bootId: new TextDecoder().decode(bytes.subarray(32, EXIT_RECORD_SIZE)).replace(/\0+$/, ""),
  };
}
