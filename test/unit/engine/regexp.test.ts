import { describe, expect, test } from "bun:test";
import { goRegExp } from "../../../src/engine/regexp.ts";

describe("a regular expression is read as Go reads it", () => {
  for (const [source, yes, no] of [
    ["^com\\.example", "com.example.a", "a.com.example"],
    ["(?i)^os_", "OS_NAME", "POS"],
    ["(?P<kind>a|b)$", "xb", "bx"],
    ["\\Aab\\z", "ab", "aba"],
    ["[[:upper:]]_[^[:digit:]]", "A_b", "A_1"],
    ["\\Qa.b\\E+", "a.bb", "aab"],
    ["^\\pL\\-\\_$", "é-_", "1-_"],
    ["^a{,2}$", "a{,2}", "aa"],
    ["^[]a]+$", "a]", "b"],
  ] as const) {
    test(source, () => {
      expect(goRegExp(source).test(yes)).toBe(true);
      expect(goRegExp(source).test(no)).toBe(false);
    });
  }
});

describe("what is none is refused in Go's words", () => {
  for (const [source, message] of [
    ["(a", "missing closing ): `(a`"],
    ["a)", "unexpected ): `a)`"],
    ["[a", "missing closing ]: `[a`"],
    ["*a", "missing argument to repetition operator: `*`"],
    ["a**", "invalid nested repetition operator: `**`"],
    ["(?=a)", "invalid or unsupported Perl syntax: `(?=`"],
    ["a\\1", "invalid escape sequence: `\\1`"],
    ["a\\", "trailing backslash at end of expression: ``"],
  ] as const) {
    test(source, () => expect(() => goRegExp(source)).toThrow(new Error(`error parsing regexp: ${message}`)));
  }
});
