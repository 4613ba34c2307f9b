import { describe, expect, test } from "bun:test";
import { expandSlice, scopeOf } from "../../../../src/engine/systemd/unit.ts";

test("a slice is in the slices that its name begins with", () => {
  expect(expandSlice("system.slice")).toBe("/system.slice");
  expect(expandSlice("a-b-c.slice")).toBe("/a.slice/a-b.slice/a-b-c.slice");
  expect(expandSlice("-.slice")).toBe("");
  for (const bad of ["a", ".slice", "-a.slice", "a--b.slice", "a/b.slice"])
    expect(() => expandSlice(bad)).toThrow(`invalid slice name: ${bad}`);
});

describe("a container's scope", () => {
  test("is named by prefix and name, in its slice", () => {
    expect(scopeOf("a-b.slice:docker:1234", "x")).toEqual({
      name: "docker-1234.scope",
      slice: "a-b.slice",
      path: "/a.slice/a-b.slice/docker-1234.scope",
    });
    expect(scopeOf("-.slice:docker:1", "x").path).toBe("/docker-1.scope");
  });

  test("is runc's by default", () => {
    const expected = { name: "runc-x.scope", slice: "system.slice", path: "/system.slice/runc-x.scope" };
    for (const none of [undefined, "", ":runc:x"]) expect(scopeOf(none, "x")).toEqual(expected);
  });

  test("is never a path, nor a slice", () => {
    expect(() => scopeOf("/docker/x", "x")).toThrow(
      'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/docker/x" instead',
    );
    for (const bad of ["a.slice:docker:../x", "a.slice:../p:x", "a.slice::b.slice"])
      expect(() => scopeOf(bad, "x")).toThrow("is no name for the scope of a container");
  });
});
