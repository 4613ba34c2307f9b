import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { addressBytes, bindPort, socketAddress } from "../../../src/ffi/inet.ts";
import { closeFd, SystemError } from "../../../src/ffi/libc.ts";

const hex = (ip: string): string => Buffer.from(addressBytes(ip)).toString("hex");

test("an address is its bytes, however it is written", () => {
  expect(hex("172.18.0.2")).toBe("ac120002");
  expect(hex("::")).toBe("0".repeat(32));
  expect(hex("::1")).toBe(`${"0".repeat(31)}1`);
  expect(hex("fd00::2")).toBe(`fd00${"0".repeat(27)}2`);
  expect(hex("fd00::")).toBe(`fd00${"0".repeat(28)}`);
  expect(hex("1:2:3:4:5:6:7:8")).toBe("00010002000300040005000600070008");
  expect(hex("1:2:3:4:5:6:7::")).toBe("00010002000300040005000600070000");
  expect(hex("::ffff:10.1.2.3")).toBe("00000000000000000000ffff0a010203");
  for (const bad of ["", "1.2.3", "1.2.3.256", "fe80::1%eth0", "::1::", "host"])
    expect(() => addressBytes(bad)).toThrow(RangeError);
});

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
