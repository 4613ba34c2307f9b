import { expect, test } from "bun:test";
import { checkEnvironment, completeEnvironment } from "../../../../src/engine/runtime/environment.ts";

test.each([
  ["FOO", "invalid environment variable: missing '='"],
  ["", "invalid environment variable: missing '='"],
  ["=x", "invalid environment variable: name cannot be empty"],
  ["A=b\0", 'invalid environment variable "A": contains nul byte (\\x00)'],
])("%j is no variable", (entry, message) => {
  expect(() => checkEnvironment(["A=1", entry])).toThrow(new Error(message));
});

test("the last of a name counts, where it stands; HOME is asked for when it has no value", () => {
  const home = () => "/h";
  expect(completeEnvironment(["A=1", "B=2", "A=3="], home)).toEqual(["B=2", "A=3=", "HOME=/h"]);
  expect(completeEnvironment(["HOME=", "A="], home)).toEqual(["A=", "HOME=/h"]);
  expect(completeEnvironment(["HOME=/x", "A=1"], home)).toEqual(["HOME=/x", "A=1"]);
  checkEnvironment(["A=", "B=b=c"]);
});
