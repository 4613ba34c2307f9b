/** Asks before something is removed for good. */
import { readSync } from "node:fs";
import { out } from "./output.ts";

/** One line from standard input, byte by byte, so that nothing behind it is swallowed. */
export function confirm(warning: string): boolean {
  out(`${warning} [y/N] `);
  const byte = new Uint8Array(1);
  let line = "";
  for (;;) {
    let count = 0;
    try {
      count = readSync(0, byte, 0, 1, null);
    } catch (error) {
      if ((error as { code?: string }).code === "EAGAIN") {
        Bun.sleepSync(5);
        continue;
      }
    }
    if (count === 0 || byte[0] === 10) break;
    line += String.fromCharCode(byte[0] as number);
  }
  return line.trim().toLowerCase() === "y";
}
