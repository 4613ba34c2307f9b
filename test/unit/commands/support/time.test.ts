import { expect, test } from "bun:test";
import { timestamp } from "../../../../src/commands/support/time.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 600);

test.each([
  ["0", "0"],
  ["1136073600", "1136073600"],
  ["1136073600.5", "1136073600.5"],
  ["1h", "1767319445"],
  ["0s", "1767323045"],
  ["2026-01-02T03:04:05Z", "1767323045.000000000"],
  ["2026-01-02T03:04:05.25Z", "1767323045.250000000"],
])("a moment for the API: %s is %s", (text, sent) => {
  expect(timestamp(text, NOW)).toBe(sent);
});

test("what is none of them is said", () => {
  expect(() => timestamp("soon", NOW)).toThrow('failed to parse value as time or duration: "soon"');
});
