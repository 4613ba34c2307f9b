import { describe, expect, test } from "bun:test";
import { parseHost } from "../../../../src/commands/support/connect.ts";

describe("an address of the daemon", () => {
  test.each([
    ["unix:///a/b", { unix: "/a/b", display: "unix:///a/b" }],
    ["unix://", { unix: "/var/run/docker.sock", display: "unix:///var/run/docker.sock" }],
    ["tcp://", { host: "localhost", port: 2375, display: "tcp://localhost:2375" }],
    ["10.0.0.1", { host: "10.0.0.1", port: 2375, display: "tcp://10.0.0.1:2375" }],
    [":1234", { host: "localhost", port: 1234, display: "tcp://localhost:1234" }],
    ["tcp://[::1]:99", { host: "::1", port: 99, display: "tcp://[::1]:99" }],
  ])("%s", (text, want) => expect(parseHost(text, undefined)).toEqual(want));

  test("with TLS the port is another", () => {
    expect(parseHost("tcp://host", { verify: true })).toEqual({
      host: "host",
      port: 2376,
      display: "tcp://host:2376",
      tls: { verify: true },
    });
  });

  test.each([
    ["http://a:1", "unable to resolve docker endpoint: invalid bind address format: http://a:1"],
    ["fd://", "unable to parse docker host `fd://`"],
    ["npipe:////./pipe/x", "protocol not available"],
    ["ssh://", "ssh host connection is not valid: invalid SSH URL: hostname is empty"],
    ["ssh://u:p@h", "invalid SSH URL: plain-text password is not supported"],
    ["ssh://h", "ssh is no way to reach the daemon with this version yet"],
  ])("%s is refused", (text, message) => expect(() => parseHost(text, undefined)).toThrow(message));
});
