/** `seconds[.nanoseconds]`, the API's form of a moment. */

const LONGEST_FRACTION = 20;

/** Nanoseconds since the epoch; calls `fail` with Go's words for what is wrong, and throws what that returns. */
export function parseTimestamp(text: string, fail: (problem: string) => Error): bigint {
  const wrong = (problem: string) => fail(`invalid timestamp ${JSON.stringify(text)}: ${problem}`);
  const dot = text.indexOf(".");
  const seconds = dot < 0 ? text : text.slice(0, dot);
  const fraction = dot < 0 ? "" : text.slice(dot + 1);
  if (!/^[+-]?[0-9]+$/.test(seconds))
    throw wrong(`invalid seconds ${JSON.stringify(seconds)}: invalid syntax`);
  const whole = BigInt(seconds.replace(/^\+/, ""));
  if (whole > 2n ** 63n - 1n || whole < -(2n ** 63n)) {
    throw wrong(`invalid seconds ${JSON.stringify(seconds)}: value out of range`);
  }
  if (fraction.length > LONGEST_FRACTION) {
    throw wrong(`invalid nanoseconds: length ${fraction.length} exceeds maximum ${LONGEST_FRACTION}`);
  }
  const odd = fraction.search(/[^0-9]/);
  if (odd >= 0) throw wrong(`invalid nanoseconds: invalid character '${fraction[odd]}' at position ${odd}`);
  return whole * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}
