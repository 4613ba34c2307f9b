import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseDevice } from "../../../../../src/commands/support/container/devices.ts";
import { readPairs } from "../../../../../src/commands/support/container/files.ts";
import { parseMount, parseVolume } from "../../../../../src/commands/support/container/mount.ts";
import { parsePublish } from "../../../../../src/commands/support/container/ports.ts";
import { parseCpus, parseUlimit } from "../../../../../src/commands/support/container/resources.ts";

test("mounts", () => {
  expect(parseMount("type=bind,src=/x,dst=/y,readonly")).toEqual({
    Type: "bind",
    Source: "/x",
    Target: "/y",
    ReadOnly: true,
  });
  expect(parseMount("type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777")).toEqual({
    Type: "tmpfs",
    Target: "/t",
    TmpfsOptions: { SizeBytes: 67108864, Mode: 0o1777 },
  });
  expect(() => parseMount("foo")).toThrow("invalid field 'foo' must be a key=value pair");
  expect(() => parseMount("type=bind")).toThrow("target is required");
  expect(() => parseMount("type=bind,dst=/x,tmpfs-size=1")).toThrow(
    "cannot mix 'tmpfs-*' options with mount type 'bind'",
  );
});

test("volumes", () => {
  expect(parseVolume("/data")).toEqual({ kind: "anonymous", target: "/data" });
  expect(parseVolume("/a:/b:ro")).toEqual({ kind: "bind", bind: "/a:/b:ro" });
  expect(parseVolume("./a:/b")).toEqual({ kind: "bind", bind: `${process.cwd()}/a:/b` });
});

test("devices, limits and ports", () => {
  expect(parseDevice("/dev/null:/dev/x:r")).toEqual({
    PathOnHost: "/dev/null",
    PathInContainer: "/dev/x",
    CgroupPermissions: "r",
  });
  expect(parseDevice("/dev/null")).toEqual({
    PathOnHost: "/dev/null",
    PathInContainer: "/dev/null",
    CgroupPermissions: "rwm",
  });
  expect(() => parseDevice("foo:bar:baz")).toThrow("bad mode specified: baz");
  expect(parseUlimit("nofile=10:20")).toEqual({ Name: "nofile", Soft: 10, Hard: 20 });
  expect(() => parseUlimit("foo")).toThrow("invalid ulimit argument: foo");
  expect(parseCpus("1.5")).toBe(1_500_000_000);
  expect(parsePublish(["127.0.0.1:8080-8081:80-81", "53/udp"]).bindings).toEqual({
    "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }],
    "81/tcp": [{ HostIp: "127.0.0.1", HostPort: "8081" }],
    "53/udp": [{ HostIp: "", HostPort: "" }],
  });
});

describe("env files", () => {
  const folder = mkdtempSync(`${tmpdir()}/tsd-env-`);
  const path = `${folder}/env`;
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (text: string) => {
    writeFileSync(path, text);
    return readPairs(path, (name) => (name === "KNOWN" ? "yes" : undefined));
  };
  test("comments and empty lines are skipped, names alone are looked up", () => {
    expect(read("# c\n\nA=1 2\n  B= x\nKNOWN\nUNKNOWN\nC=\n")).toEqual(["A=1 2", "B= x", "KNOWN=yes", "C="]);
  });
  test("names with blanks are refused", () => {
    expect(() => read("A B=1")).toThrow("variable 'A B' contains whitespaces");
  });
});
