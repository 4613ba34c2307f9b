/** Asks before something is removed for good. */
import { read } from "node:fs";
import { out } from "./output.ts";

/** One byte; undefined at the end of input. */
function readByte(byte: Uint8Array): Promise<number | undefined> {
  return new Promise((resolve) => {
    read(0, byte, 0, 1, null, (error, count) => {
      if ((error as { code?: string } | null)?.code === "EAGAIN")
        setTimeout(() => resolve(readByte(byte)), 5);
      else resolve(error || count === 0 ? undefined : (byte[0] as number));
    });
  });
}

/** One line from standard input, byte by byte, so that nothing behind it is swallowed. */
async function readLine(): Promise<string> {
  const byte = new Uint8Array(1);
  let line = "";
  for (;;) {
    const next = await readByte(byte);
    if (next === undefined || next === 10) return line;
    line += String.fromCharCode(next);
  }
}

/** To be interrupted is an answer, too: no. */
export async function confirm(warning: string): Promise<boolean> {
  out(`${warning} [y/N] `);
  const interrupted = Promise.withResolvers<undefined>();
  const stop = (): void => {
    out("\n");
    interrupted.resolve(undefined);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    const line = await Promise.race([readLine(), interrupted.promise]);
    return line?.trim().toLowerCase() === "y";
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}
