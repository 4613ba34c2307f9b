import { expect, test } from "bun:test";
import { boolFilter, globOf } from "../../../../src/engine/image/filters.ts";
import { parseDuration, parseUntil } from "../../../../src/engine/image/until.ts";

test.each([
  ["busybox*", "busybox:latest", true],
  ["busy*", "busybox", true],
  ["*", "a/b", false],
  ["*/*", "a/b", true],
  ["b?sybox", "busybox", true],
  ["b[a-u]sybox", "busybox", true],
  ["b[^u]sybox", "busybox", false],
  ["a.b", "axb", false],
  ["a\\*", "a*", true],
  ["[", "[", false],
  ["(a|b)+", "a", false],
])("pattern %s on %s: %p", (pattern, name, matches) => {
  expect(globOf(pattern).test(name)).toBe(matches);
});

test("yes-or-no filters take Docker's four words", () => {
  for (const value of ["1", "true"]) expect(boolFilter({ dangling: [value] }, "dangling", false)).toBe(true);
  for (const value of ["0", "false"]) expect(boolFilter({ dangling: [value] }, "dangling", true)).toBe(false);
  expect(boolFilter({}, "dangling", true)).toBe(true);
  expect(() => boolFilter({ dangling: ["yes"] }, "dangling", true)).toThrow(
    "invalid filter 'dangling=[yes]'",
  );
  expect(() => boolFilter({ dangling: ["1", "0"] }, "dangling", true)).toThrow("invalid filter");
});

test("until takes moments and durations", () => {
  const now = Date.parse("2024-01-02T03:04:05Z");
  expect(parseUntil("10m", now)).toBe(now - 600_000);
  expect(parseUntil("1h30m", now)).toBe(now - 5_400_000);
  expect(parseUntil("1700000000", now)).toBe(1_700_000_000_000);
  expect(parseUntil("1700000000.5", now)).toBe(1_700_000_000_500);
  expect(parseUntil("2024-01-02T03:04:05Z", 0)).toBe(now);
  expect(parseUntil("2024-01-02T03:04:05+01:00", 0)).toBe(now - 3_600_000);
  expect(parseUntil("2024-01-02Z", 0)).toBe(Date.parse("2024-01-02T00:00:00Z"));
  expect(() => parseUntil("soon")).toThrow("invalid value for 'until' filter");
  expect(parseDuration("1.5s")).toBe(1500);
  expect(parseDuration("5")).toBeUndefined();
});
