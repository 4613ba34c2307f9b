import { describe, expect, test } from "bun:test";
import {
  asText,
  asU32,
  attribute,
  attributeMap,
  be32,
  concatenate,
  nested,
  readAttributes,
  text,
  u8,
  u16,
  u32,
  u64,
} from "../../../../src/ffi/netlink/attributes.ts";
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeMessages,
} from "../../../../src/ffi/netlink/message.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"));

describe("attributes", () => {
  test("are padded to four bytes, which their length does not count", () => {
    expect(hex(text(3, "br0"))).toBe("0800030062723000");
    expect(hex(text(3, "v1"))).toBe("0700030076310000");
    expect(hex(u8(1, 7))).toBe("0500010007000000");
  });

  test("have numbers in the machine's order, or the network's where asked", () => {
    expect(hex(u16(4, 0x102))).toBe("0600040002010000");
    expect(hex(u32(4, 1400))).toBe("0800040078050000");
    expect(hex(be32(4, 1400))).toBe("0800040000000578");
    expect(hex(u64(2, 1n))).toBe("0c0002000100000000000000");
  });

  test("nest with the flag, and are read without it", () => {
    const nest = nested(18, text(1, "veth"), nested(2, u32(9, 5)));
    const [[type, inside]] = [...readAttributes(nest)] as [[number, Uint8Array]];
    expect(nest[3]! & 0x80).toBe(0x80);
    expect(type).toBe(18);
    const of = attributeMap(inside);
    expect(asText(of.get(1))).toBe("veth");
    expect(asU32(attributeMap(of.get(2)!).get(9))).toBe(5);
  });

  test("are refused when longer than a length can say", () => {
    expect(() => attribute(1, new Uint8Array(0x10000))).toThrow(RangeError);
  });

  test("that are cut or lie about their length end the list", () => {
    const two = concatenate([u32(1, 1), u32(2, 2)]);
    expect([...readAttributes(two.subarray(0, 15))].map(([type]) => type)).toEqual([1]);
    expect([...readAttributes(bytes("0300010000000000"))]).toEqual([]);
    expect([...readAttributes(bytes("ffff010000000000"))]).toEqual([]);
    expect([...readAttributes(bytes("0800"))]).toEqual([]);
  });
});

describe("messages", () => {
  test("are numbered in turn and travel in one datagram", () => {
    const body = [new Uint8Array(4), u32(1, 2)];
    const datagram = encodeMessages(
      [
        { type: 16, flags: 4, body, what: "" },
        { type: 17, flags: 0, body: [], what: "" },
      ],
      0xffff_ffff,
    );
    expect(hex(datagram)).toBe(
      "1c00000010000500ffffffff00000000000000000800010002000000" + "10000000110001000000000000000000",
    );
    expect([...decodeMessages(datagram)].map(({ type, sequence }) => [type, sequence])).toEqual([
      [16, 0xffff_ffff],
      [17, 0],
    ]);
  });

  test("that lie about their length end the datagram", () => {
    expect([...decodeMessages(bytes("0f000000100005000100000000000000"))]).toEqual([]);
    expect([...decodeMessages(bytes("11000000100005000100000000000000"))]).toEqual([]);
    expect([...decodeMessages(bytes("10000000"))]).toEqual([]);
  });

  test("of failure carry the errno, the kernel's words and the place", () => {
    const header = new Uint8Array(16);
    const body = concatenate([
      new Uint8Array(new Int32Array([-22]).buffer),
      header,
      text(1, "Invalid MTU"),
      u32(2, 36),
    ]);
    expect(decodeAcknowledgement({ type: 2, flags: 0x300, sequence: 1, port: 0, body })).toEqual({
      errno: 22,
      reason: "Invalid MTU",
      offset: 36,
    });
    const whole = concatenate([body.subarray(0, 4), u32(0, 0).subarray(0, 0), header, text(1, "no")]);
    whole[4] = 16;
    expect(decodeAcknowledgement({ type: 2, flags: 0x200, sequence: 1, port: 0, body: whole }).reason).toBe(
      "no",
    );
    expect(
      decodeAcknowledgement({ type: 2, flags: 0x100, sequence: 1, port: 0, body: body.subarray(0, 20) }),
    ).toEqual({
      errno: 22,
      reason: "",
      offset: 0,
    });
  });
});
