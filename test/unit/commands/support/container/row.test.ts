import { expect, test } from "bun:test";
import { showPorts } from "../../../../../src/commands/support/container/row.ts";

const port = (IP: string, PrivatePort: number, PublicPort: number) => ({
  IP,
  PrivatePort,
  PublicPort,
  Type: "tcp",
});

test("shows a port's addresses byte by byte, IPv4 before IPv6, then by the host's port", () => {
  const ports = [
    port("::", 80, 9090),
    port("::", 80, 8080),
    port("0.0.0.0", 80, 9090),
    port("0.0.0.0", 80, 8080),
  ];
  expect(showPorts(ports)).toBe(
    "0.0.0.0:8080->80/tcp, 0.0.0.0:9090->80/tcp, [::]:8080->80/tcp, [::]:9090->80/tcp",
  );
});

test("shows neighbours with the same number on both sides as a range", () => {
  expect(showPorts([port("0.0.0.0", 81, 81), port("0.0.0.0", 80, 80)])).toBe("0.0.0.0:80-81->80-81/tcp");
});
