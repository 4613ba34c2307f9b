/** Signals: those that an attached tsrunc hands on, and their names. */
import { check, sys } from "../../ffi/libc.ts";
import { SIG, SIG_HOW } from "../../ffi/process.ts";

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

function changeMask(how: number): void {
  let mask = 0n;
  for (const signal of FORWARDED) mask |= 1n << BigInt(SIG[signal] - 1);
  check(sys("rt_sigprocmask", how, new BigUint64Array([mask]), 0, 8), "change the signal mask");
}

/**
 * What is sent to this program is meant for the container: the kernel keeps it until somebody can send it on. To be
 * called before the engine starts its threads, which inherit the mask: one that had none would take the signals.
 */
export function holdSignals(): void {
  changeMask(SIG_HOW.SIG_BLOCK);
  // Where the caller ignores it, and we do so by inheritance, nobody learns how a child has ended.
  const asDefault = new BigUint64Array(4);
  check(sys("rt_sigaction", SIG.SIGCHLD, asDefault, 0, 8), "hear of children");
}

/** What came since `holdSignals`, and what comes. */
export function forwardSignals(pid: number): void {
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      try {
        process.kill(pid, signal);
      } catch {
        // It has just ended.
      }
    });
  }
  changeMask(SIG_HOW.SIG_UNBLOCK);
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
