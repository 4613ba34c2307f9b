import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mergeConfigFile } from "../../../../src/engine/daemon/config-file.ts";
import { parseFlags, usage } from "../../../../src/engine/daemon/flags.ts";
import { isLoopback, parseHost } from "../../../../src/engine/daemon/hosts.ts";
import { groupId } from "../../../../src/engine/daemon/listen.ts";
import { formatLine } from "../../../../src/engine/daemon/log.ts";

const folder = mkdtempSync(join(tmpdir(), "daemon-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));

function withFile(content: string, ...args: string[]) {
  const file = join(folder, "daemon.json");
  writeFileSync(file, content);
  return mergeConfigFile(parseFlags([...args, "--config-file", file]));
}

describe("flags", () => {
  test("long, short and joined forms", () => {
    const { config } = parseFlags([
      "-DH",
      "unix:///a",
      "--host=tcp://127.0.0.1:1",
      "-H=fd://",
      "--data-root",
      "/d",
      "--live-restore=false",
    ]);
    expect(config.hosts).toEqual(["unix:///a", "tcp://127.0.0.1:1", "fd://"]);
    expect(config.debug).toBe(true);
    expect(config["data-root"]).toBe("/d");
    expect(config["live-restore"]).toBe(false);
  });
  test("refusals are pflag's", () => {
    expect(() => parseFlags(["--nosuch"])).toThrow("unknown flag: --nosuch");
    expect(() => parseFlags(["-DZ"])).toThrow("unknown shorthand flag: 'Z' in -DZ");
    expect(() => parseFlags(["--data-root"])).toThrow("flag needs an argument: --data-root");
    expect(() => parseFlags(["-H"])).toThrow("flag needs an argument: 'H' in -H");
    expect(() => parseFlags(["--debug=x"])).toThrow(
      'invalid argument "x" for "-D, --debug" flag: strconv.ParseBool: parsing "x": invalid syntax',
    );
    expect(() => parseFlags(["-H", "ftp://x"])).toThrow(
      'invalid argument "ftp://x" for "-H, --host" flag: invalid bind address (ftp://x): unsupported proto \'ftp\'',
    );
    expect(() => parseFlags(["--registry-mirror", "x"])).toThrow(
      'invalid mirror: unsupported scheme "" in "x"',
    );
    expect(() => parseFlags(["start"])).toThrow("accepts no arguments");
  });
  test("help and version are asked for, whatever else is said", () => {
    expect(parseFlags(["-D", "--help"]).action).toBe("help");
    expect(parseFlags(["-v"]).action).toBe("version");
    expect(usage("tsd daemon")).toContain("  -H, --host list");
  });
  test("tls verifies unless that is said to be off", () => {
    expect(mergeConfigFile(parseFlags(["--tls"])).tlsverify).toBe(true);
    expect(mergeConfigFile(parseFlags(["--tlsverify"])).tls).toBe(true);
    expect(mergeConfigFile(parseFlags(["--tls", "--tlsverify=false"])).tlsverify).toBe(false);
    expect(mergeConfigFile(parseFlags([])).tls).toBe(false);
  });
});

describe("daemon.json", () => {
  test("sets what no flag sets", () => {
    const config = withFile(
      '{"debug":true,"hosts":["unix:///x"],"log-opts":{"max-size":"1m"}}',
      "--group",
      "g",
    );
    expect(config).toMatchObject({
      debug: true,
      hosts: ["unix:///x"],
      "log-opts": { "max-size": "1m" },
      group: "g",
    });
  });
  test("an empty one is none, a missing one is an error only when it was named", () => {
    expect(withFile(" \n").debug).toBe(false);
    expect(() => mergeConfigFile(parseFlags(["--config-file", join(folder, "missing")]))).toThrow(
      "no such file or directory",
    );
  });
  test("refuses what is unknown, said twice, or of a wrong type", () => {
    expect(() => withFile('{"nosuch":1,"b":2}')).toThrow(
      "the following directives don't match any configuration option: nosuch, b",
    );
    expect(() => withFile('{"debug":false,"hosts":["unix:///x"]}', "-D", "-H", "unix:///s")).toThrow(
      "the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: false), hosts: (from flag: [unix:///s], from file: [unix:///x])",
    );
    expect(() => withFile('{"insecure-registries":"x"}')).toThrow(
      "json: cannot unmarshal string into Go struct field Config.insecure-registries of type []string",
    );
    expect(() => withFile("{")).toThrow("invalid JSON: unexpected EOF");
    expect(() => withFile('{"registry-mirrors":["x"]}')).toThrow("invalid mirror");
    expect(() => withFile('{"log-level":"loud"}')).toThrow("invalid logging level: loud");
  });
});

describe("addresses", () => {
  test("have defaults", () => {
    expect(parseHost("", false)).toMatchObject({ kind: "unix", path: "/var/run/docker.sock" });
    expect(parseHost("unix://", false)).toMatchObject({ path: "/var/run/docker.sock" });
    expect(parseHost("tcp://", false)).toMatchObject({ host: "localhost", port: 2375 });
    expect(parseHost("tcp://0.0.0.0", true)).toMatchObject({ host: "0.0.0.0", port: 2376 });
    expect(parseHost("127.0.0.1:99", false)).toMatchObject({ kind: "tcp", port: 99 });
    expect(parseHost("tcp://[::1]:5", false)).toMatchObject({ host: "::1", port: 5, text: "tcp://[::1]:5" });
    expect(parseHost("fd://", false)).toMatchObject({ kind: "fd", name: "" });
  });
  test("wrong ones say what is wrong", () => {
    expect(() => parseHost("tcp://a:0", false)).toThrow("invalid port: 0");
    expect(() => parseHost("tcp://a:1/x", false)).toThrow("should not contain a path element");
    expect(() => parseHost("npipe://x", false)).toThrow("unsupported proto 'npipe'");
  });
  test("only loopback is loopback", () => {
    for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1"]) expect(isLoopback(host)).toBe(true);
    for (const host of ["0.0.0.0", "::", "10.0.0.1", "example.org", "128.0.0.1"])
      expect(isLoopback(host)).toBe(false);
  });
});

test("a group is looked up by name, or taken as a number", () => {
  const file = join(folder, "group");
  writeFileSync(file, "root:x:0:\ndocker:x:117:me\n");
  expect(groupId("docker", file)).toBe(117);
  expect(groupId("4711", file)).toBe(4711);
  expect(groupId("nosuch", file)).toBeUndefined();
});

test("log lines are logrus's", () => {
  const time = new Date("2026-11-21T07:26:41.665Z");
  expect(formatLine("warn", "a b", { z: "x y", host: "tcp://1" }, time)).toBe(
    'time="2026-11-21T07:26:41.665000000Z" level=warning msg="a b" host="tcp://1" z="x y"',
  );
});
