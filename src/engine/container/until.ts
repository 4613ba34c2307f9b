/** The `until` filter: a Go duration back from now, seconds since the epoch, or a date. */
import { EngineError } from "../errors.ts";

const UNITS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds since the epoch. @throws EngineError invalid */
export function untilOf(value: string, now = Date.now()): number {
  if (/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(value)) {
    let duration = 0;
    for (const [, number, , unit] of value.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
      duration += Number(number) * UNITS[unit!]!;
    return now - duration;
  }
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  if (Number.isNaN(date))
    throw new EngineError("invalid", `failed to parse value as time or duration: ${JSON.stringify(value)}`);
  return date;
}
