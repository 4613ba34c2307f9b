/**
 * Writing to standard output and error with plain write(2). `process.stdout` costs milliseconds to construct and
 * would make the descriptor non-blocking for whoever shares it.
 */
import { fs } from "./builtin.ts";

const code = (error: unknown): string | undefined => (error as { code?: string }).code;

/** Writes all bytes, waiting when the other side is slow. Ends the process quietly when the reader went away. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += fs().writeSync(fd, bytes, offset, bytes.length - offset);
    } catch (error) {
      // A pipe that somebody else made non-blocking: there is nothing to poll with here, so wait a moment.
      if (code(error) === "EAGAIN") Bun.sleepSync(1);
      else if (code(error) === "EPIPE") process.exit(141);
      else if (code(error) !== "EINTR") throw error;
    }
  }
}

const encoder = new TextEncoder();

export const out = (text: string): void => writeAll(1, encoder.encode(text));
export const err = (text: string): void => writeAll(2, encoder.encode(text));
