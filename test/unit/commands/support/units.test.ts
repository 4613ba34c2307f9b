import { expect, test } from "bun:test";
import { parseDuration } from "../../../../src/commands/support/duration.ts";
import {
  bytesSize,
  humanDuration,
  humanSize,
  parseByteSize,
} from "../../../../src/commands/support/units.ts";

test("sizes are shown as go-units shows them", () => {
  expect([0, 1, 999, 1000, 1982256, 123456789].map((size) => humanSize(size, 3))).toEqual([
    "0B",
    "1B",
    "999B",
    "1kB",
    "1.98MB",
    "123MB",
  ]);
  expect(humanSize(1983742)).toBe("1.984MB");
  expect(bytesSize(25276096512)).toBe("23.54GiB");
});

test("durations are shown as go-units shows them", () => {
  const s = 1000;
  const cases: [number, string][] = [
    [0, "Less than a second"],
    [s, "1 second"],
    [59 * s, "59 seconds"],
    [60 * s, "About a minute"],
    [61 * 60 * s, "About an hour"],
    [47 * 3600 * s, "47 hours"],
    [49 * 3600 * s, "2 days"],
    [15 * 24 * 3600 * s, "2 weeks"],
    [90 * 24 * 3600 * s, "3 months"],
    [3 * 365 * 24 * 3600 * s, "3 years"],
  ];
  for (const [time, text] of cases) expect(humanDuration(time)).toBe(text);
});

test("sizes and durations are read", () => {
  expect(parseByteSize("64m")).toBe(67108864);
  expect(parseByteSize("1.5g")).toBe(1610612736);
  for (const [word, size] of Object.entries({
    5: 5,
    "5 ": 5,
    "5 b": 5,
    ".5k": 512,
    "1e3": 1000,
    "2GiB": 2 ** 31,
  })) {
    expect(parseByteSize(word)).toBe(size);
  }
  const refused: [word: string, message: string][] = [
    ["x", "invalid size: 'x'"],
    ["-1m", "invalid size: '-1m'"],
    ["5X", "invalid suffix: 'x'"],
    ["5mi", "invalid suffix: 'mi'"],
    ["5bb", "invalid suffix: 'bb'"],
    ["5BYTES", "invalid suffix: 'BYTES'"],
    ["x5", 'strconv.ParseFloat: parsing "x5": invalid syntax'],
    ["5  m", 'strconv.ParseFloat: parsing "5 ": invalid syntax'],
  ];
  for (const [word, message] of refused) expect(() => parseByteSize(word)).toThrow(message);
  expect(parseDuration("1h2m3.5s")).toBe(3723.5e9);
  expect(() => parseDuration("5x")).toThrow('time: unknown unit "x" in duration "5x"');
});
