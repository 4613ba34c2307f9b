import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alignSegments } from "../../../build/huge-pages.ts";

const HUGE = 2 << 20;

interface Segment {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  size: number;
}

function segmentsOf(file: Buffer): Segment[] {
  return Array.from({ length: file.readUInt16LE(56) }, (_, i) => {
    const at = Number(file.readBigUInt64LE(32)) + 56 * i;
    const number = (field: number) => Number(file.readBigUInt64LE(at + field));
    return {
      type: file.readUInt32LE(at),
      flags: file.readUInt32LE(at + 4),
      offset: number(8),
      vaddr: number(16),
      size: number(32),
    };
  });
}

test("what is only read and executed lies in the file as in memory, and everything is as it was", () => {
  const program = readFileSync("/bin/sh");
  const aligned = alignSegments(program);
  const before = segmentsOf(program);
  const after = segmentsOf(aligned);
  const code = after.filter(({ type, flags }) => type === 1 && (flags & 2) === 0);
  expect(code.length).toBeGreaterThan(1);
  for (const { offset, vaddr } of code) expect(Math.abs(vaddr - offset) % HUGE).toBe(0);
  for (const [i, { offset, size, ...rest }] of before.entries()) {
    const moved = after[i]!;
    expect({ ...rest, size }).toEqual({ ...rest, size: moved.size });
    // But for its own table of segments.
    if (offset > 4096) {
      const bytes = (file: Buffer, at: number) => file.subarray(at, at + size);
      expect(bytes(aligned, moved.offset).equals(bytes(program, offset))).toBe(true);
    }
  }
  // Nothing is left to do.
  expect(alignSegments(aligned).equals(aligned)).toBe(true);
});

test("a program runs as before", () => {
  const folder = mkdtempSync(join(tmpdir(), "aligned-"));
  try {
    const path = join(folder, "sh");
    writeFileSync(path, alignSegments(readFileSync("/bin/sh")), { mode: 0o755 });
    expect(Bun.spawnSync([path, "-c", "echo $((6 * 7))"]).stdout.toString()).toBe("42\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
