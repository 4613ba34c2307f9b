import { expect, test } from "bun:test";
import { fstatSync, readFileSync, readlinkSync } from "node:fs";
import { aboveInherited, closeFd, sys } from "../../../src/ffi/libc.ts";
import { executable, sealedData, sharedMemory } from "../../../src/ffi/memfd.ts";

const F_GET_SEALS = 1034;
const SEAL_SHRINK_GROW_WRITE = 0b1110;

test("sealed data can be read, but neither written nor resized", () => {
  const fd = sealedData("plan", new TextEncoder().encode("steps"));
  expect(readFileSync(`/proc/self/fd/${fd}`, "utf8")).toBe("steps");
  expect(sys("pwrite64", fd, new Uint8Array(1), 1, 0)).toBe(-1);
  expect(sys("ftruncate", fd, 0)).toBe(-1);
  expect(sys("fcntl", fd, F_GET_SEALS, 0) & SEAL_SHRINK_GROW_WRITE).toBe(SEAL_SHRINK_GROW_WRITE);
  closeFd(fd);
});

test("an executable is sealed as well, and close-on-exec", () => {
  const { fd, sealed } = executable("program", new Uint8Array([1, 2, 3]));
  if (sealed) expect(readlinkSync(`/proc/self/fd/${fd}`)).toContain("memfd:program");
  expect(sys("fcntl", fd, 1, 0)).toBe(1);
  expect(fstatSync(fd).mode & 0o111).not.toBe(0);
  closeFd(fd);
});

test("shared memory has its size, and is zero", () => {
  const fd = sharedMemory("status", 4096);
  expect(readFileSync(`/proc/self/fd/${fd}`)).toEqual(Buffer.alloc(4096));
  closeFd(fd);
});

test("an fd for a child is moved above those that the child gets", () => {
  const fd = sharedMemory("x", 1);
  const high = aboveInherited(fd);
  expect(high).toBeGreaterThanOrEqual(128);
  expect(fstatSync(high).ino).toBe(fstatSync(fd).ino);
  closeFd(fd);
  closeFd(high);
});
