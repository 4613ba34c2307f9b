/** Times as Go prints them, and as `--since` takes them. */

import { parseDuration } from "./duration.ts";
import { Failure } from "./failure.ts";

const pad = (value: number, size = 2): string => String(value).padStart(size, "0");

function zone(date: Date, colon: boolean): string {
  const minutes = -date.getTimezoneOffset();
  const sign = minutes < 0 ? "-" : "+";
  return `${sign}${pad(Math.trunc(Math.abs(minutes) / 60))}${colon ? ":" : ""}${pad(Math.abs(minutes) % 60)}`;
}

const day = (date: Date): string =>
  `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
const clock = (date: Date): string =>
  `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;

function zoneName(date: Date): string {
  if (date.getTimezoneOffset() === 0 && (process.env.TZ ?? "UTC").includes("UTC")) return "UTC";
  const name =
    new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
      .formatToParts(date)
      .find(({ type }) => type === "timeZoneName")?.value ?? "UTC";
  return /^GMT[+-]/.test(name) ? zone(date, false).replace(/00$/, "") : name;
}

/** `2006-01-02 15:04:05 -0700 MST`, from seconds. */
export function goTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${day(date)} ${clock(date)} ${zone(date, false)} ${zoneName(date)}`;
}

/** `2006-01-02T15:04:05.000000000-07:00` in this machine's zone, from nanoseconds. */
export function nanoTime(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n));
  const offset = date.getTimezoneOffset() === 0 ? "Z" : zone(date, true);
  return `${day(date)}T${clock(date)}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}${offset}`;
}

/** RFC 3339 in this machine's zone, to the second. */
export function localTime(text: string): string {
  const date = new Date(text);
  return `${day(date)}T${clock(date)}${date.getTimezoneOffset() === 0 ? "Z" : zone(date, true)}`;
}

/** `Mon Jan  2 15:04:05 2006` in UTC. */
export function ansiTime(text: string): string {
  const date = new Date(text);
  const [week, dayOfMonth, month, year] = date.toUTCString().replace(",", "").split(" ") as [
    string,
    string,
    string,
    string,
  ];
  return `${week} ${month} ${String(Number(dayOfMonth)).padStart(2)} ${date.toISOString().slice(11, 19)} ${year}`;
}

/** A moment for the API: seconds as they are, a time so long ago, or a date. */
export function timestamp(text: string, now: number = Date.now()): string {
  // Moments are counted from the epoch; no time ago would be now.
  if (text === "0") return text;
  try {
    return String(Math.floor((now - parseDuration(text) / 1e6) / 1000));
  } catch {
    // Not a duration, then.
  }
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:?\d{2})?$/.exec(
      text,
    );
  if (!match) throw new Failure(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  const [, date, hours = "00", minutes = "00", seconds = "00", fraction = "", offset = ""] = match;
  const at = new Date(`${date}T${hours}:${minutes}:${seconds}${offset}`).getTime();
  return `${Math.floor(at / 1000)}.${fraction.padEnd(9, "0")}`;
}
