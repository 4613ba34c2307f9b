/** Go's durations: `1h2m3.5s`, `300ms`. Nanoseconds, as a number (whole up to 104 days, which is all flags need). */

const UNITS: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 6e10,
  h: 3.6e12,
};

export function parseDuration(text: string): number {
  const quoted = JSON.stringify(text);
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0;
  if (rest === "") throw new Error(`time: invalid duration ${quoted}`);
  let total = 0;
  while (rest !== "") {
    const match = /^(\d*)(\.\d*)?([^\d.]*)/.exec(rest);
    if (!match || (match[1] === "" && (match[2] ?? ".") === "."))
      throw new Error(`time: invalid duration ${quoted}`);
    const unit = match[3] as string;
    if (unit === "") throw new Error(`time: missing unit in duration ${quoted}`);
    const size = UNITS[unit];
    if (size === undefined)
      throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    total += Number(`${match[1]}${match[2] ?? ""}`) * size;
    rest = rest.slice(match[0].length);
  }
  return text.startsWith("-") ? -Math.round(total) : Math.round(total);
}

export function formatDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return "0s";
  const sign = nanoseconds < 0 ? "-" : "";
  const size = Math.abs(nanoseconds);
  if (size < 1e3) return `${sign}${size}ns`;
  if (size < 1e6) return `${sign}${size / 1e3}µs`;
  if (size < 1e9) return `${sign}${size / 1e6}ms`;
  const hours = Math.floor(size / 3.6e12);
  const minutes = Math.floor((size % 3.6e12) / 6e10);
  const seconds = (size % 6e10) / 1e9;
  return `${sign}${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${seconds}s`;
}
