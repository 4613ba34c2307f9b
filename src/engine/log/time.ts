/** Times of log lines: nanoseconds since the epoch, and the two forms in which Docker writes them. */

let wallBase = 0n;
let monoBase = 0;

/**
 * Now, in nanoseconds since the epoch. JavaScript's wall clock has milliseconds; the rest comes from the
 * monotonic clock, taken anew when the wall clock was stepped.
 */
export function nowNs(): bigint {
  const mono = Bun.nanoseconds();
  const guess = wallBase + BigInt(mono - monoBase);
  const wall = BigInt(Date.now()) * 1_000_000n;
  // The wall clock's milliseconds are cut: the time is within the one that begins there.
  const off = guess - wall;
  if (off >= 0n && off < 1_000_000n) return guess;
  const near = off >= 1_000_000n && off < 3_000_000n;
  wallBase = near ? wall + 999_999n : wall;
  monoBase = mono;
  return wallBase;
}

const seconds = (ns: bigint): string => new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
const fraction = (ns: bigint): string => (ns % 1_000_000_000n).toString().padStart(9, "0");

/** Go's time.RFC3339Nano, as in the file: zeros at the end of the fraction are left out. */
export function rfc3339Nano(ns: bigint): string {
  const digits = fraction(ns).replace(/0+$/, "");
  return digits === "" ? `${seconds(ns)}Z` : `${seconds(ns)}.${digits}Z`;
}

/** As `docker logs -t` shows it: always nine digits, so that columns align. */
export function rfc3339NanoFixed(ns: bigint): string {
  return `${seconds(ns)}.${fraction(ns)}Z`;
}

/** Parses what {@link rfc3339Nano} wrote, also with another writer's offset. Undefined when it is no time. */
export function parseTime(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const whole = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(whole)) return undefined;
  return BigInt(whole) * 1_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}
