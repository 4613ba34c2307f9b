import { expect, test } from "bun:test";
import { align } from "../../../../src/commands/support/table.ts";

test("a column is as wide as its widest cell and three more, ten at least", () => {
  expect(align("A\tB\nlonger than ten\tx\n")).toBe("A                 B\nlonger than ten   x\n");
  expect(align("A\tB\n")).toBe("A         B\n");
});

test("what follows the last tab is not padded, and letters count, not bytes", () => {
  expect(align("ééééééééé\tx\n")).toBe("ééééééééé   x\n");
});
