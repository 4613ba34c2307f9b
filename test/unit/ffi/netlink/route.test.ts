/** Bytes as iproute2 6.1 sends them (`strace -e write=3 -e trace=sendmsg ip …`), its sequence numbers left out. */
import { describe, expect, test } from "bun:test";
import { addAddress } from "../../../../src/ffi/netlink/addresses.ts";
import { changeLink, deleteLink, newLink } from "../../../../src/ffi/netlink/links.ts";
import { encodeMessages, type Message } from "../../../../src/ffi/netlink/message.ts";
import { addRoute, deleteRoute } from "../../../../src/ffi/netlink/routes.ts";

/** Without the number, and without the flag of nested attributes, which iproute2 leaves out and the kernel ignores. */
function bytesOf(message: Message): string {
  const bytes = encodeMessages([message], 0);
  return Buffer.from(bytes)
    .toString("hex")
    .replaceAll(/(12|02|1a|0a)80/g, "$100");
}

const golden = (hex: string): string => hex.replace(/^(.{16})a694016b/, "$100000000");

describe("rtnetlink messages are iproute2's", () => {
  test("ip addr add 172.18.0.2/16 broadcast 172.18.255.255", () => {
    expect(bytesOf(addAddress(2, "172.18.0.2/16"))).toBe(
      golden(
        "3000000014000506a694016b00000000021000000200000008000200ac12000208000400ac12ffff08000100ac120002",
      ),
    );
  });

  test("ip -6 addr add fd00::2/64 nodad", () => {
    expect(bytesOf(addAddress(2, "fd00::2/64"))).toBe(
      golden(
        "4000000014000506a694016b000000000a4002000200000014000200fd00000000000000000000000000000214000100fd000000000000000000000000000002",
      ),
    );
  });

  test("ip route add default via 172.18.0.1", () => {
    const route = { family: 4, gateway: "172.18.0.1", index: 2 } as const;
    expect(bytesOf(addRoute(route))).toBe(
      golden("2c00000018000506a694016b0000000002000000fe0300010000000008000500ac1200010800040002000000"),
    );
    expect(deleteRoute(route).type).toBe(25);
  });

  test("ip link del", () => {
    expect(bytesOf(deleteLink(4))).toBe(
      golden("2000000011000500a694016b0000000000000000040000000000000000000000"),
    );
  });

  test("ip link set master … up", () => {
    expect(bytesOf(changeLink(4, { up: true, master: 2 }))).toBe(
      golden("2800000010000500a694016b000000000000000004000000010000000100000008000a0002000000"),
    );
  });

  test("ip link set addrgenmode none", () => {
    expect(bytesOf(changeLink(4, { noLinkLocal: true }))).toBe(
      golden(
        "3000000010000500a694016b0000000000000000040000000000000000000000" +
          "10001a000c000a000500080001000000",
      ),
    );
  });

  test("ip link add name v1 mtu 1400 type veth peer name eth0 address …: the same attributes in another order", () => {
    const peer = { name: "eth0", mac: "02:42:ac:11:00:02" };
    const message = newLink({ name: "v1", mtu: 1400 }, { kind: "veth", peer });
    const theirs = Buffer.from(
      "6c00000010000506a694016b0000000000000000000000000000000000000000080004007805000007000300763100003c0012000800010076657468300002002c000100000000000000000000000000000000000a0001000242ac1100020000090003006574683000000000",
      "hex",
    );
    const ours = Buffer.from(bytesOf(message), "hex");
    expect(ours.length).toBe(theirs.length);
    expect([ours.readUInt16LE(4), ours.readUInt16LE(6)]).toEqual([
      theirs.readUInt16LE(4),
      theirs.readUInt16LE(6),
    ]);
    const words = (bytes: Buffer): string[] =>
      Array.from({ length: bytes.length / 4 }, (_, n) => bytes.subarray(n * 4, n * 4 + 4).toString("hex"));
    expect(words(ours.subarray(16)).sort()).toEqual(words(theirs.subarray(16)).sort());
  });
});
