/** What is overwritten in Bun's executable, on a file of the same shape: one segment, a name in it, and an entry that points there. */
import { describe, expect, test } from "bun:test";
import { scavengeNothing } from "../../../build/scavenger.ts";

const ADDRESS = 0x200000n;
const NAME = 0x100;
const ENTRY = 0x180;

function executable({ value = 1n, entries = 1 } = {}): Buffer {
  const file = Buffer.alloc(0x200);
  file.writeBigUInt64LE(64n, 32); // where the program headers are
  file.writeUInt16LE(56, 54); // how long each is
  file.writeUInt16LE(1, 56); // and how many
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeBigUInt64LE(ADDRESS, 64 + 16);
  file.writeBigUInt64LE(BigInt(file.length), 64 + 32);
  file.write("\0mi-scavenger\0", NAME, "latin1");
  for (let index = 0; index < entries; index += 1) {
    const entry = ENTRY + 32 * index;
    file.writeBigInt64LE(value, entry);
    file.writeBigUInt64LE(ADDRESS + BigInt(NAME + "\0mi-".length), entry + 16);
  }
  return file;
}

describe("the allocator's thread", () => {
  test("is turned off, and nothing else is touched", () => {
    const file = executable();
    scavengeNothing(file);
    expect(file.equals(executable({ value: 0n }))).toBe(true);
  });

  test("is not guessed", () => {
    expect(() => scavengeNothing(executable({ entries: 0 }))).toThrow("is not where it was");
    expect(() => scavengeNothing(executable({ entries: 2 }))).toThrow("is not where it was");
    expect(() => scavengeNothing(executable({ value: 2n }))).toThrow("is not what it was");
    expect(() => scavengeNothing(Buffer.alloc(0x200))).toThrow("is not where it was");
  });
});
