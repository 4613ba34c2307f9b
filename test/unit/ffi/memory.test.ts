import { type Pointer, read } from "bun:ffi";
import { expect, test } from "bun:test";
import { readFileSync, readlinkSync } from "node:fs";
import { releaseCode } from "../../../src/ffi/memory.ts";

/** KiB of this program's code that are mapped into this process. */
function mappedCode(): number {
  const program = readlinkSync("/proc/self/exe");
  const mappings = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const code = mappings.filter((text) => / r-xp /.test(text) && text.split("\n")[0]!.endsWith(program));
  return code.reduce((sum, text) => sum + Number(/^Rss:\s+(\d+)/m.exec(text)![1]), 0);
}

test("released code is not mapped until it is executed again", () => {
  const before = mappedCode();
  releaseCode();
  const after = mappedCode();
  expect(before).toBeGreaterThan(10_000);
  // Reading it has executed some of it.
  expect(after).toBeLessThan(before / 2);
});

test("and comes back in small pieces: no huge page of the file lies in one mapping any more", () => {
  releaseCode();
  releaseCode();
  const program = readlinkSync("/proc/self/exe");
  const code = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => / r-xp /.test(line) && line.endsWith(program))
    .map((line) => line.split(/[- ]/, 2).map((word) => Number.parseInt(word, 16)) as [number, number]);
  expect(code.length).toBeGreaterThan(10);
  const huge = 2 << 20;
  for (const [start, end] of code) expect(Math.ceil(start / huge) * huge + huge).toBeGreaterThan(end);
});

test("constants are released each time, also when they are in pieces", () => {
  const program = readlinkSync("/proc/self/exe");
  const pieces = () =>
    readFileSync("/proc/self/smaps", "utf8")
      .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
      .filter((text) => text.split("\n")[0]!.endsWith(program))
      .map((text) => ({ text, range: text.split(/[- ]/, 2).map((word) => Number.parseInt(word, 16)) }));
  // Those before the code.
  const constants = () =>
    pieces().slice(
      0,
      pieces().findIndex(({ text }) => / r-xp /.test(text)),
    );
  const mapped = () =>
    constants().reduce((sum, { text }) => sum + Number(/^Rss:\s+(\d+)/m.exec(text)![1]), 0);
  releaseCode();
  for (const { range } of constants()) {
    for (let at = range[0]!; at < range[1]!; at += 4096) read.u8(at as Pointer);
  }
  const before = mapped();
  releaseCode();
  expect(before).toBeGreaterThan(5000);
  expect(mapped()).toBeLessThan(before / 2);
});
