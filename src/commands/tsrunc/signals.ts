/** Signals: those that an attached tsrunc hands on, and their names. */
import { SIG } from "../../ffi/process.ts";

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

/** What is sent to this program is meant for the container: it waits here until there is a process to send it to. */
export class Signals {
  readonly #held: NodeJS.Signals[] = [];
  #pid = 0;

  constructor() {
    for (const signal of FORWARDED) process.on(signal, () => this.#take(signal));
  }

  sendTo(pid: number): void {
    this.#pid = pid;
    for (const signal of this.#held) this.#take(signal);
  }

  #take(signal: NodeJS.Signals): void {
    if (this.#pid === 0) {
      this.#held.push(signal);
      return;
    }
    try {
      process.kill(this.#pid, signal);
    } catch {
      // It has just ended.
    }
  }
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
