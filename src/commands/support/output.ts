/**
 * Writing to standard output and error with plain write(2). `process.stdout` costs milliseconds to construct and
 * would make the descriptor non-blocking for whoever shares it; `node:fs` costs most of one, a tenth of a whole `ps`: so
 * the first words go out by Bun's own write, which needs neither.
 */
import { fs } from "./builtin.ts";

/**
 * No pipe splits so much: it is written whole or not at all. Of more, Bun's write would begin anew where a pipe that somebody
 * else made non-blocking took a part. @source pipe(7), PIPE_BUF
 */
const WHOLE = 4096;
let left = WHOLE;
/** Bun writes to files behind; what comes meanwhile, to either descriptor, comes after. It never rejects. */
let behind: Promise<void> | undefined;
/** What of that failed. */
let failure: { error: unknown } | undefined;

const code = (error: unknown): string | undefined => (error as { code?: string }).code;

function writeNow(fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += fs().writeSync(fd, bytes, offset, bytes.length - offset);
    } catch (error) {
      // A pipe that somebody else made non-blocking: there is nothing to poll with here, so wait a moment.
      if (code(error) === "EAGAIN") Bun.sleepSync(1);
      else if (code(error) !== "EINTR") failed(error);
    }
  }
}

function failed(error: unknown): never {
  if (code(error) === "EPIPE") process.exit(141);
  throw error;
}

function follow(before: Promise<unknown>, work: () => void): void {
  const own = before
    .then(work)
    .catch((error: unknown) => {
      if (code(error) === "EPIPE") process.exit(141);
      failure ??= { error };
    })
    .then(() => {
      if (behind === own) behind = undefined;
    });
  behind = own;
}

/**
 * Writes all bytes, in the order of the calls, waiting when the other side is slow. Ends the process quietly when the reader
 * went away.
 */
export function writeAll(fd: number, bytes: Uint8Array): void {
  // Bun's write takes nothing at all for a file that is to be empty.
  if (bytes.length === 0) return;
  if (behind !== undefined && fd <= 2) {
    const kept = bytes.slice();
    follow(behind, () => writeNow(fd, kept));
  } else if (fd !== 1 || bytes.length > left) {
    writeNow(fd, bytes);
  } else {
    left -= bytes.length;
    const written = Bun.write(Bun.stdout, bytes.slice());
    const state = Bun.peek.status(written);
    if (state === "pending") follow(written, () => {});
    if (state !== "rejected") return;
    written.catch(() => {});
    failed(Bun.peek(written));
  }
}

/** Resolves when everything is out: to be waited for before the process ends. @throws what writing failed for */
export async function flushed(): Promise<void> {
  while (behind !== undefined) await behind;
  const failing = failure;
  failure = undefined;
  if (failing !== undefined) throw failing.error;
}

const encoder = new TextEncoder();

export const out = (text: string): void => writeAll(1, encoder.encode(text));
export const err = (text: string): void => writeAll(2, encoder.encode(text));
