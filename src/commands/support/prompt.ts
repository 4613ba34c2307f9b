/** Questions on the terminal. */
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
export async function readLine(): Promise<string> {
  const byte = new Uint8Array(1);
  const line: number[] = [];
  for (;;) {
    const next = await readByte(byte);
    if (next === undefined || next === 10) return new TextDecoder().decode(Uint8Array.from(line));
    line.push(next);
  }
}

/** What is answered, without the space around it. */
export async function ask(question: string): Promise<string> {
  out(question);
  return (await readLine()).trim();
}

/** The same, of what nobody shall read over a shoulder; a signal that ends the program leaves the terminal echoing. */
export async function askSecretly(question: string): Promise<string> {
  const restore = (await import("../../ffi/terminal.ts")).disableEcho(0);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
  const stop = (signal: NodeJS.Signals): void => {
    restore();
    out("\n");
    for (const name of signals) process.off(name, stop);
    process.kill(process.pid, signal);
  };
  for (const name of signals) process.on(name, stop);
  try {
    return await ask(question);
  } finally {
    for (const name of signals) process.off(name, stop);
    restore();
    out("\n");
  }
}
