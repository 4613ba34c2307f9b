import { describe, expect, test } from "bun:test";
import { statusOf } from "../../../../src/engine/api/errors.ts";
import { parseFilters, Query } from "../../../../src/engine/api/query.ts";
import { checkVersion, compareVersions, routedPath } from "../../../../src/engine/api/version.ts";
import { EngineError, type ErrorKind } from "../../../../src/engine/errors.ts";

const query = (text: string) => new Query(text);

describe("query parameters", () => {
  test("are false only in the ways that Docker knows", () => {
    for (const word of ["", "0", "no", "false", "none", "False", " NO "])
      expect(query(`a=${word}`).flag("a")).toBe(false);
    for (const word of ["1", "true", "yes", "x"]) expect(query(`a=${word}`).flag("a")).toBe(true);
    expect(query("").flag("a", true)).toBe(true);
    expect(query("a=").flag("a", true)).toBe(false);
  });
  test("numbers are Atoi's", () => {
    expect(query("a=-3").int("a")).toBe(-3);
    expect(query("").int("a")).toBeUndefined();
    expect(() => query("a=x").int("a")).toThrow('strconv.Atoi: parsing "x": invalid syntax');
    expect(() => query("a=1.5").int("a")).toThrow('strconv.Atoi: parsing "1.5": invalid syntax');
    expect(() => query("a=99999999999999999999").int("a")).toThrow("value out of range");
  });
  test("sizes of terminals are unsigned", () => {
    expect(query("h=24").cells("h")).toBe(24);
    expect(() => query("h=x").cells("h")).toThrow('invalid resize height "x": invalid syntax');
    expect(() => query("").cells("w")).toThrow('invalid resize width "": invalid syntax');
    expect(() => query("w=-1").cells("w")).toThrow('invalid resize width "-1": value out of range');
  });
  test("times are seconds with up to nanoseconds", () => {
    expect(query("since=5").time("since", "'since'")).toBe(5_000_000_000n);
    expect(query("since=5.5").time("since", "'since'")).toBe(5_500_000_000n);
    expect(query("since=1795229892.016572401").time("since", "'since'")).toBe(1795229892016572401n);
    expect(query("").time("since", "'since'")).toBeUndefined();
    expect(() => query("since=x").time("since", "'since'")).toThrow(
      'invalid value for \'since\': invalid timestamp "x": invalid seconds "x": invalid syntax',
    );
    expect(() => query("since=1.x").time("since", "'since'")).toThrow(
      "invalid nanoseconds: invalid character 'x' at position 0",
    );
  });
});

describe("filters", () => {
  test("come as lists or as sets", () => {
    expect(parseFilters('{"label":["a","b","a"]}')).toEqual({ label: ["a", "b"] });
    expect(parseFilters('{"label":{"a":true,"b":true}}')).toEqual({ label: ["a", "b"] });
    expect(parseFilters("")).toEqual({});
  });
  test("anything else is refused", () => {
    for (const text of ["x", "[]", "5", '{"a":"b"}', '{"a":[1]}', '{"a":{"b":1}}']) {
      expect(() => parseFilters(text)).toThrow("invalid filter");
    }
  });
});

describe("versions", () => {
  test("compare by number, not by text", () => {
    expect(compareVersions("1.9", "1.41")).toBeLessThan(0);
    expect(compareVersions("1.41", "1.41")).toBe(0);
    expect(compareVersions("2", "1.55")).toBeGreaterThan(0);
  });
  test("outside of 1.24 to 1.55 are refused in Docker's words", () => {
    for (const version of ["1.24", "1.40", "1.55"]) expect(() => checkVersion(version)).not.toThrow();
    expect(() => checkVersion("1.23")).toThrow(
      "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    );
    expect(() => checkVersion("1.99")).toThrow(
      "client version 1.99 is too new. Maximum supported API version is 1.55",
    );
  });
  test("a path without one is for the latest", () => {
    expect(routedPath("/info")).toBe("/v1.55/info");
    expect(routedPath("/v1.41/info")).toBe("/v1.41/info");
  });
  test("names of images may hold slashes", () => {
    expect(routedPath("/v1.41/images/a/b:c/json")).toBe("/v1.41/images/a%2Fb:c/json");
    expect(routedPath("/images/localhost:5000/x/y")).toBe("/v1.55/images/localhost:5000%2Fx%2Fy");
    expect(routedPath("/images/json")).toBe("/v1.55/images/json");
    expect(routedPath("/images/json/json")).toBe("/v1.55/images/json/json");
  });
});

test("every kind of error has its status", () => {
  const expected: Record<ErrorKind, number> = {
    invalid: 400,
    unauthorized: 401,
    forbidden: 403,
    notFound: 404,
    conflict: 409,
    notModified: 304,
    unavailable: 503,
    notImplemented: 501,
    cancelled: 500,
    internal: 500,
  };
  for (const [kind, status] of Object.entries(expected))
    expect(statusOf(new EngineError(kind as ErrorKind, ""))).toBe(status);
  expect(statusOf(new Error("unforeseen"))).toBe(500);
});
