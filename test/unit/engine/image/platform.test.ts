import { expect, test } from "bun:test";
import { best, formatPlatform, HOST, parsePlatform, rank } from "../../../../src/engine/image/platform.ts";

test.each([
  ["linux/amd64", "linux/amd64"],
  ["amd64", "linux/amd64"],
  ["x86_64", "linux/amd64"],
  ["linux/x86_64/v1", "linux/amd64"],
  ["aarch64", "linux/arm64"],
  ["linux/arm64/v8", "linux/arm64"],
  ["linux/arm", "linux/arm/v7"],
  ["armhf", "linux/arm/v7"],
  ["armel", "linux/arm/v6"],
  ["linux/arm/6", "linux/arm/v6"],
  ["Linux/AMD64", "linux/amd64"],
  ["windows", `windows/${HOST.architecture}`],
])("%s is %s", (text, normal) => {
  expect(formatPlatform(parsePlatform(text))).toBe(normal);
});

test.each([
  ["x/y/z/w", '"x/y/z/w": cannot parse platform specifier: invalid argument'],
  ["", '"": cannot parse platform specifier: invalid argument'],
  ["nosuch", '"nosuch": unknown operating system or architecture: invalid argument'],
  ["linux/a b", '"a b" is an invalid component of "linux/a b"'],
])("%s is refused", (text, message) => {
  expect(() => parsePlatform(text)).toThrow(message);
});

test("the nearest older arm is taken, never a newer one", () => {
  const offers = ["linux/arm/v5", "linux/arm/v7", "linux/arm64"].map(parsePlatform);
  const choose = (wanted: string) => {
    const found = best(parsePlatform(wanted), offers, (one) => one);
    return found && formatPlatform(found);
  };
  expect(choose("linux/arm/v7")).toBe("linux/arm/v7");
  expect(choose("linux/arm/v6")).toBe("linux/arm/v5");
  expect(choose("linux/arm64/v8")).toBe("linux/arm64");
  expect(choose("linux/amd64")).toBeUndefined();
  expect(rank(parsePlatform("linux/amd64"), parsePlatform("linux/amd64/v3"))).toBeUndefined();
});
