import { expect, test } from "bun:test";
import { ERRNO, errnoMessage, errnoName } from "../../../src/ffi/errno.ts";

test("every errno has its name and a sentence in lower case", () => {
  for (const [name, number] of Object.entries(ERRNO)) {
    expect(errnoName(number)).toBe(name);
    expect(errnoMessage(number)).toMatch(/^([a-z]|RFS|\.lib)/);
  }
});

test("an unknown one is told by its number", () => {
  expect(errnoMessage(4000)).toBe("errno 4000");
  expect(errnoName(4000)).toBe("E4000");
});

test("the words are those that docker and runc show", () => {
  expect(errnoMessage(ERRNO.ENOENT)).toBe("no such file or directory");
  expect(errnoMessage(ERRNO.ENOEXEC)).toBe("exec format error");
  expect(errnoMessage(ERRNO.EACCES)).toBe("permission denied");
});
