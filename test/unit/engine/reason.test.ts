import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { EngineError } from "../../../src/engine/errors.ts";
import { reasonOf } from "../../../src/engine/reason.ts";

function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("the kernel's no is told without the place on the host", () => {
  expect(reasonOf(thrown(() => readFileSync("/no/such/file")))).toBe("open: no such file or directory");
  expect(reasonOf(thrown(() => readdirSync("/dev/null")))).toBe("scandir: not a directory");
});

test("anybody else's words are their own", () => {
  expect(reasonOf(new EngineError("invalid", "open /x: no"))).toBe("open /x: no");
  expect(reasonOf("thrown as it is")).toBe("thrown as it is");
});
