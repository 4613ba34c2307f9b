import { expect, test } from "bun:test";
import { parsePlatform } from "../../../../../src/commands/support/image/platform.ts";

const own = process.arch === "x64" ? "amd64" : process.arch;

// What containerd's platforms.Parse makes of the same.
test.each([
  ["linux", { os: "linux", architecture: own }],
  ["linux/x86_64", { os: "linux", architecture: "amd64" }],
  ["aarch64", { os: "linux", architecture: "arm64" }],
  ["linux/arm64/v8", { os: "linux", architecture: "arm64" }],
  ["linux/arm", { os: "linux", architecture: "arm", variant: "v7" }],
  ["linux/armhf", { os: "linux", architecture: "arm", variant: "v7" }],
  ["linux/arm/6", { os: "linux", architecture: "arm", variant: "v6" }],
])("%s", (text, want) => expect(parsePlatform(text, "x")).toEqual(want));

test.each([
  ["foo", 'x: "foo": unknown operating system or architecture: invalid argument'],
  ["a/b/c/d", 'x: "a/b/c/d": cannot parse platform specifier: invalid argument'],
  [
    "linux/",
    'x: "" is an invalid component of "linux/": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument',
  ],
])("%s is refused", (text, message) => expect(() => parsePlatform(text, "x")).toThrow(message));
