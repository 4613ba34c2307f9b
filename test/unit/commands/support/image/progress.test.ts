import { expect, test } from "bun:test";
import { bar } from "../../../../../src/commands/support/image/progress.ts";

test("a bar is as wide as the terminal lets it be", () => {
  expect(bar({ current: 512_000, total: 1_024_000 }, 120)).toBe(
    `[${"=".repeat(25)}>${" ".repeat(25)}]    512kB/1.024MB`,
  );
  expect(bar({ current: 512_000, total: 1_024_000 }, 100)).toBe("   512kB/1.024MB");
});

test("without a total there are only numbers, in the unit that is given", () => {
  expect(bar({ current: 7 }, 120)).toBe("      7B");
  expect(bar({ current: 1, units: "s" }, 120)).toBe("1 s");
  expect(bar({}, 120)).toBe("");
});

test("more than all is shown without the total", () => {
  expect(bar({ current: 3_000, total: 2_000 }, 80)).toBe("     3kB");
});
