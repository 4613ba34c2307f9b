import { expect, test } from "bun:test";
import { proxyPlan, singleProxyPlan } from "../../../../../src/engine/network/proxy/plan.ts";
import { decodeTold, encodeTold, OP, TOLD_SIZE } from "../../../../../src/engine/network/proxy/told.ts";
import type { HeldPort } from "../../../../../src/engine/network/types.ts";
import { explainPlan } from "../../../../../src/engine/runtime/explain.ts";

const port: HeldPort = {
  protocol: "udp",
  hostIp: "::1",
  hostPort: 8080,
  to: { ip: "172.17.0.2", port: 53 },
};

test("what the proxy is told has the layout of the stage's struct", () => {
  const bytes = Buffer.from(encodeTold({ op: OP.add, value: 6, port }));
  expect(bytes.subarray(0, 8).toString("hex")).toBe("0100110006000000");
  // struct sockaddr_in6, then struct sockaddr_in with nothing behind it.
  expect(bytes.subarray(8, 36).toString("hex")).toBe(
    `0a001f90${"0".repeat(8)}${"0".repeat(30)}01${"0".repeat(8)}`,
  );
  expect(bytes.subarray(36).toString("hex")).toBe(`02000035ac110002${"0".repeat(40)}`);
});

test("what it tells is read, and nothing else", () => {
  expect(decodeTold(encodeTold({ op: OP.known, value: 3, port }))).toEqual({ op: OP.known, value: 3, port });
  expect(decodeTold(encodeTold({ op: OP.last }))).toEqual({ op: OP.last, value: 0 });
  expect(decodeTold(new Uint8Array(TOLD_SIZE - 1))).toBeUndefined();
});

const steps = (text: string): string[] =>
  text
    .split("\n")
    .map((line) =>
      line
        .trim()
        .replace(/^\d+\s+/, "")
        .replace(/\s+#.*$/, ""),
    )
    .filter(Boolean);

test("the proxy of an exec root makes its socket, and knows the folder that it is in", () => {
  expect(steps(explainPlan(proxyPlan("/run/tsd/n/proxy.sock")))).toEqual([
    'prctl(PR_SET_NAME, "ts-proxy")',
    "prlimit64(0, RLIMIT_NOFILE, {1048576, 1048576}, 0) or any error",
    "setsid() or EPERM",
    'unlinkat(AT_FDCWD, "/run/tsd/n/proxy.sock", 0) or ENOENT',
    "socket(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC|SOCK_NONBLOCK, 0) → fd 32",
    'bind(32, {AF_UNIX, "/run/tsd/n/proxy.sock"}, 24)',
    "listen(32, 4)",
    'openat(AT_FDCWD, "/run/tsd/n", O_PATH|O_DIRECTORY|O_CLOEXEC, 0) → fd 33',
    "forward ports that are told at 32",
  ]);
});

test("the proxy of one port has it from its plan", () => {
  expect(steps(explainPlan(singleProxyPlan(port, 6))).at(-1)).toBe("forward 1 ports");
});
