import { expect, test } from "bun:test";
import { Variant } from "../../../../src/engine/dbus/values.ts";
import { annotatedProperties, parseVariant } from "../../../../src/engine/systemd/annotations.ts";

test.each([
  ["true", "b", true],
  ["'inactive-or-failed'", "s", "inactive-or-failed"],
  ['"it\\"s"', "s", 'it"s'],
  ["-5", "i", -5],
  ["1.5", "d", 1.5],
  ["uint64 123456789", "t", 123456789n],
  ["uint32 0x10", "u", 16],
  ["['a', 'b']", "as", ["a", "b"]],
  ["@as []", "as", []],
  ["[uint16 1, 2]", "aq", [1, 2]],
])("%s is a value", (text, signature, value) => {
  expect(parseVariant(text)).toEqual(new Variant(signature, value));
});

test.each(["", "a b", "[", "[]", "['a' 'b']", "['a', 1]", "uint64", "uint64 'a'", "'a", "1 2", "{'a': 1}"])(
  "%p is none",
  (text) => {
    expect(() => parseVariant(text)).toThrow();
  },
);

test("annotations are properties where they say so, and seconds microseconds", () => {
  expect(
    annotatedProperties({
      other: "x",
      "org.systemd.property.CollectMode": "'inactive-or-failed'",
      "org.systemd.property.TimeoutStopSec": "uint64 2",
      "org.systemd.property.TimeoutStopUSec": "uint64 3",
    }),
  ).toEqual([
    ["CollectMode", new Variant("s", "inactive-or-failed")],
    ["TimeoutStopUSec", new Variant("t", 2_000_000n)],
    ["TimeoutStopUSec", new Variant("t", 3n)],
  ]);
  expect(() => annotatedProperties({ "org.systemd.property.A.B": "1" })).toThrow("name incorrect");
  expect(() => annotatedProperties({ "org.systemd.property.TimeoutSec": "'1'" })).toThrow(
    "value parse error: not a number",
  );
});
