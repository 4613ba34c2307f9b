/**
 * Signal names and numbers as Docker's API takes them (moby/sys/signal): with or without SIG, in any case, or a
 * number; RTMIN+n and RTMAX-n too.
 */
import { EngineError } from "../errors.ts";

const NAMES = [
  "",
  ..."HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP".split(
    " ",
  ),
  ..."TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(" "),
];
const RTMIN = 34;
const RTMAX = 64;

const NUMBERS = new Map<string, number>(NAMES.map((name, number) => [name, number]));
NUMBERS.delete("");
for (const [alias, name] of [
  ["IOT", "ABRT"],
  ["CLD", "CHLD"],
  ["POLL", "IO"],
  ["UNUSED", "SYS"],
] as const) {
  NUMBERS.set(alias, NUMBERS.get(name)!);
}
for (let n = 0; n <= 15; n++) NUMBERS.set(n === 0 ? "RTMIN" : `RTMIN+${n}`, RTMIN + n);
for (let n = 0; n <= 14; n++) NUMBERS.set(n === 0 ? "RTMAX" : `RTMAX-${n}`, RTMAX - n);

export const SIGKILL = 9;
export const SIGTERM = 15;

/** @throws EngineError invalid `invalid signal: X` */
export function parseSignal(raw: string): number {
  if (/^[+-]?\d+$/.test(raw)) {
    const number = Number(raw);
    if (number === 0) throw new EngineError("invalid", `invalid signal: ${raw}`);
    return number;
  }
  const number = NUMBERS.get(raw.toUpperCase().replace(/^SIG/, ""));
  if (number === undefined) throw new EngineError("invalid", `invalid signal: ${raw}`);
  return number;
}

/** Whether a number is one that this kernel has. */
export function knownSignal(number: number): boolean {
  return (number >= 1 && number < NAMES.length) || (number >= RTMIN && number <= RTMAX);
}
