import { describe, expect, test } from "bun:test";
import { compileLater } from "../../../build/thresholds.ts";

/** An executable, as far as it matters here. */
const file = (...values: number[]): Buffer => Buffer.from(Int32Array.from([1, 2, ...values, 3]).buffer);

describe("the engine's thresholds", () => {
  test("are overwritten where they are, and nothing else is", () => {
    const base = file(500, 100, 1000, 1000);
    compileLater(base);
    expect(base.equals(file(15000, 3000, 1000, 1000))).toBe(true);
  });

  test("have to be there, once", () => {
    expect(() => compileLater(file(500, 100, 1000, 2000))).toThrow("out of date");
    expect(() => compileLater(file(500, 100, 1000, 1000, 500, 100, 1000, 1000))).toThrow("out of date");
  });
});
