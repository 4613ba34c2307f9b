import { expect, test } from "bun:test";
import { DetachWatch, parseDetachKeys } from "../../../../src/commands/support/detach-keys.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

test("key sequences are read", () => {
  expect([...parseDetachKeys("")]).toEqual([16, 17]);
  expect([...parseDetachKeys("ctrl-a,b,ctrl-@,DEL")]).toEqual([1, 98, 0, 127]);
  expect(() => parseDetachKeys("zz")).toThrow("Unknown character: 'zz'");
});

test("the sequence is found across pieces, and what only begins like it is passed on", () => {
  const watch = new DetachWatch(parseDetachKeys(""));
  expect(watch.push(bytes(97, 16))).toEqual({ pass: bytes(97), detached: false });
  expect(watch.push(bytes(98))).toEqual({ pass: bytes(16, 98), detached: false });
  expect(watch.push(bytes(16, 16))).toEqual({ pass: bytes(16), detached: false });
  expect(watch.push(bytes(17, 99))).toEqual({ pass: bytes(), detached: true });
});
