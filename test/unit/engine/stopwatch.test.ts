import { expect, test } from "bun:test";
import { formatTook, Stopwatch } from "../../../src/engine/stopwatch.ts";

test("each step has its own time, in order", () => {
  const watch = new Stopwatch();
  Bun.sleepSync(5);
  watch.step("first");
  watch.step("second");
  expect(Object.keys(watch.took)).toEqual(["first", "second"]);
  expect(watch.took.first).toBeGreaterThanOrEqual(4);
  expect(watch.took.second).toBeLessThan(watch.took.first!);
  expect(formatTook({ plan: 0.44, stage: 12 })).toBe("plan 0.4 ms, stage 12.0 ms");
});
