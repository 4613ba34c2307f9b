import { expect, test } from "bun:test";
import {
  canonical,
  familiar,
  familiarName,
  isDigest,
  parseAny,
  parseReference,
  tagged,
  withTag,
} from "../../../../src/registry/client/reference.ts";

const D = `sha256:${"a".repeat(64)}`;
const X = "a".repeat(64);

test.each([
  ["busybox", "docker.io/library/busybox", "busybox"],
  ["busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"],
  ["library/busybox", "docker.io/library/busybox", "busybox"],
  ["docker.io/busybox", "docker.io/library/busybox", "busybox"],
  ["docker.io/library/busybox:x", "docker.io/library/busybox:x", "busybox:x"],
  ["index.docker.io/busybox", "docker.io/library/busybox", "busybox"],
  ["user/app", "docker.io/user/app", "user/app"],
  ["user/app/sub:1", "docker.io/user/app/sub:1", "user/app/sub:1"],
  ["docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"],
  ["localhost/app", "localhost/app", "localhost/app"],
  ["localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"],
  ["127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"],
  ["[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"],
  ["ghcr.io/o/a-b_c.d__e--f", "ghcr.io/o/a-b_c.d__e--f", "ghcr.io/o/a-b_c.d__e--f"],
  ["HOST/app", "HOST/app", "HOST/app"],
  ["host:80/app", "host:80/app", "host:80/app"],
  ["host:80", "docker.io/library/host:80", "host:80"],
  [`busybox@${D}`, `docker.io/library/busybox@${D}`, `busybox@${D}`],
  [`busybox:1@${D}`, `docker.io/library/busybox:1@${D}`, `busybox:1@${D}`],
  ["a:b_C-.9", "docker.io/library/a:b_C-.9", "a:b_C-.9"],
])("%s", (typed, whole, short) => {
  const reference = parseReference(typed);
  expect(canonical(reference)).toBe(whole);
  expect(familiar(reference)).toBe(short);
  // What is shown can be typed again and means the same.
  expect(parseReference(familiar(reference))).toEqual(reference);
});

test.each([
  ["", "invalid reference format"],
  ["bad name", "invalid reference format"],
  ["-a", "invalid reference format"],
  ["a:", "invalid reference format"],
  ["a:.b", "invalid reference format"],
  [`a:${"t".repeat(129)}`, "invalid reference format"],
  ["a//b", "invalid reference format"],
  ["a/", "invalid reference format"],
  ["/a", "invalid reference format"],
  ["a___b", "invalid reference format"],
  ["a..b", "invalid reference format"],
  ["host:x/app", "invalid reference format"],
  ["a@sha256:abc", "invalid reference format"],
  ["../a", "invalid reference format"],
  ["a\n", "invalid reference format"],
  ["BAD", "invalid reference format: repository name (library/BAD) must be lowercase"],
  ["localhost:5000/Bad:x", "invalid reference format: repository name (Bad) must be lowercase"],
  [X, `invalid repository name (${X}), cannot specify 64-byte hexadecimal strings`],
  ["x".repeat(256), "repository name must not be more than 255 characters"],
  [`a@sha256:${"a".repeat(63)}`, "invalid checksum digest length"],
  [`a@sha256:${"A".repeat(64)}`, "invalid checksum digest format"],
  [`a@md5:${"a".repeat(32)}`, "unsupported digest algorithm"],
])("%s is refused", (typed, message) => {
  expect(() => parseReference(typed)).toThrow(message);
});

test("a name without tag or digest means latest", () => {
  expect(familiar(tagged(parseReference("a")))).toBe("a:latest");
  expect(familiar(tagged(parseReference(`a@${D}`)))).toBe(`a@${D}`);
  expect(familiarName(parseReference("a:b"))).toBe("a");
});

test("tags are checked", () => {
  expect(familiar(withTag(parseReference("a"), "v1"))).toBe("a:v1");
  expect(() => withTag(parseReference("a"), "a b")).toThrow("invalid tag format");
});

test("whole ids are told from names", () => {
  expect(parseAny(X)).toEqual({ digest: D });
  expect(parseAny(D)).toEqual({ digest: D });
  expect(parseAny("abcdef")).toMatchObject({ reference: { path: "library/abcdef" } });
  expect(isDigest("sha256:ABC")).toBe(false);
  expect(isDigest(`sha256:${"A".repeat(64)}`)).toBe(false);
});
