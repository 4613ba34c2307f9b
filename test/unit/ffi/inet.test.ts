import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { bindPort, fromSocketAddress, socketAddress } from "../../../src/ffi/inet.ts";
import { closeFd, SystemError } from "../../../src/ffi/libc.ts";

test("a socket address has its port in the network's order", () => {
  expect([...socketAddress("127.0.0.1", 0x1f90)]).toEqual([
    2,
    0,
    0x1f,
    0x90,
    127,
    0,
    0,
    1,
    ...Array(8).fill(0),
  ]);
  const six = socketAddress("::1", 53);
  expect([six.length, six[0], six[3], six[23]]).toEqual([28, 10, 53, 1]);
  for (const [ip, port] of [
    ["10.1.2.3", 65_535],
    ["fd00::2", 1],
  ] as const)
    expect(fromSocketAddress(socketAddress(ip, port))).toEqual({ ip, port });
});

/** A port of loopback that was free just now. */
function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  server.stop();
  return server.port;
}

test("a held port cannot be taken, not even by who reuses addresses", () => {
  const port = freePort();
  const held = bindPort({ protocol: "tcp", ip: "127.0.0.1", port }, { deaf: true });
  try {
    expect(() => bindPort({ protocol: "tcp", ip: "127.0.0.1", port })).toThrow(
      `127.0.0.1:${port}/tcp: address already in use`,
    );
  } finally {
    closeFd(held);
  }
  closeFd(bindPort({ protocol: "tcp", ip: "127.0.0.1", port }));
});

test("the same port of IPv4 and of IPv6 are two", () => {
  const port = freePort();
  const four = bindPort({ protocol: "udp", ip: "0.0.0.0", port });
  try {
    expect(() => bindPort({ protocol: "udp", ip: "0.0.0.0", port })).toThrow(
      `failed to bind host port 0.0.0.0:${port}/udp: address already in use`,
    );
    closeFd(bindPort({ protocol: "udp", ip: "::", port }));
  } finally {
    closeFd(four);
  }
});

test("an address that is not the host's says so, and a protocol that the kernel has not", () => {
  expect(() => bindPort({ protocol: "tcp", ip: "192.0.2.1", port: 80 })).toThrow(
    "failed to bind host port 192.0.2.1:80/tcp: cannot assign requested address",
  );
  const sctp = () => closeFd(bindPort({ protocol: "sctp", ip: "127.0.0.1", port: freePort() }));
  if (/^SCTP/m.test(readFileSync("/proc/net/protocols", "utf8"))) sctp();
  else {
    expect(sctp).toThrow(SystemError);
    expect(sctp).toThrow("/sctp: protocol not supported");
  }
});
