/** Signals: those that an attached tsrunc hands on, and their names. */
import { SIG } from "../../ffi/process.ts";
import type { Relay } from "./terminal.ts";

const FORWARDED = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGALRM",
  "SIGTSTP",
] as const;

/** A terminal's own signals come through it; its size does not. */
export function forwardSignals(pid: number, terminal?: Relay): void {
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      try {
        process.kill(pid, signal);
      } catch {
        // It has just ended.
      }
    });
  }
  if (terminal) process.on("SIGWINCH", () => terminal.resize());
}

/** `9`, `KILL`, `SIGKILL`, `RTMIN+3`. */
export function signalNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const realTime = /^SIGRT(MIN|MAX)(?:([+-]\d+))?$/.exec(name);
  if (realTime) return (realTime[1] === "MIN" ? 34 : 64) + Number(realTime[2] ?? 0);
  const number = (SIG as Record<string, number>)[name];
  if (number === undefined) throw new Error(`unknown signal ${JSON.stringify(text)}`);
  return number;
}
