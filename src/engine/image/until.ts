/** The `until` filter: a moment, or how long ago. */
import { EngineError } from "../errors.ts";

const UNITS: Record<string, number> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/**
 * `1700000000[.5]`, `2024-01-02[T03:04[:05]][Z]`, or a Go duration (`1h30m`) before `now`. Milliseconds since the epoch.
 * @throws EngineError invalid
 */
export function parseUntil(text: string, now = Date.now()): number {
  const duration = parseDuration(text);
  if (duration !== undefined) return now - duration;
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) return Number(text) * 1000;
  if (
    /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$/.test(
      text,
    )
  ) {
    const [day, rest = ""] = text.split("T");
    const time = rest.replace(/(Z|[+-][0-9:]+)$/, "");
    const zone = rest.slice(time.length) || (/Z$/.test(day!) ? "Z" : "");
    const whole = time === "" ? "00:00:00" : time.split(":").concat("00", "00").slice(0, 3).join(":");
    const parsed = Date.parse(`${day!.replace(/Z$/, "")}T${whole}${zone}`);
    if (!Number.isNaN(parsed)) return parsed;
  }
  throw new EngineError(
    "invalid",
    `invalid value for 'until' filter: failed to parse value as time or duration: ${JSON.stringify(text)}`,
  );
}

/** Milliseconds of a Go duration; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^[+-]?([0-9]+(\.[0-9]*)?(h|ms|m|us|µs|ns|s))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(h|ms|m|us|µs|ns|s)/g))
    sum += Number(amount) * UNITS[unit!]!;
  return text.startsWith("-") ? -sum : sum;
}
