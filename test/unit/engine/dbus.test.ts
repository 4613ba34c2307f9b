import { describe, expect, test } from "bun:test";
import { systemBusPath } from "../../../src/engine/dbus/connection.ts";
import { decodeMessage, encodeMessage, TYPE } from "../../../src/engine/dbus/message.ts";
import { firstType, Reader, types, Variant, Writer } from "../../../src/engine/dbus/values.ts";

const written = (type: string, value: Parameters<Writer["write"]>[1]): string => {
  const writer = new Writer();
  writer.write(type, value);
  return Buffer.from(writer.bytes).toString("hex");
};

describe("values", () => {
  // The examples of the specification, little-endian.
  test.each([
    ["y", 7, "07"],
    ["b", true, "01000000"],
    ["s", "foo", "03000000666f6f00"],
    ["g", "ai", "02616900"],
    ["t", 0xffff_ffff_ffff_ffffn, "ffffffffffffffff"],
    ["x", -2n, "feffffffffffffff"],
    ["i", -2, "feffffff"],
    ["n", -2, "feff"],
    ["q", 258, "0201"],
    ["d", 0.5, "000000000000e03f"],
    ["as", ["foo", "+"], "0e00000003000000666f6f00010000002b00"],
    ["v", new Variant("u", 5), "0175000005000000"],
    ["(yu)", [1, 2], "0100000002000000"],
    ["a{sv}", new Map([["k", new Variant("b", false)]]), "1000000000000000010000006b0001620000000000000000"],
  ] as const)("%s %p", (type, value, hex) => {
    const bytes = written(type, value as never);
    expect(bytes).toBe(hex);
    const back = new Reader(Buffer.from(bytes, "hex")).read(type);
    expect(back).toEqual(
      value instanceof Variant
        ? value.value
        : value instanceof Map
          ? new Map([["k", false]])
          : (value as never),
    );
  });

  test("signatures are taken apart into whole types", () => {
    expect([...types("sa{sv}(sas)u")]).toEqual(["s", "a{sv}", "(sas)", "u"]);
    for (const bad of ["a", "(s", "", "z"]) expect(() => firstType(bad)).toThrow("D-Bus signature");
  });

  test("what says it is longer than its message is refused", () => {
    expect(() => new Reader(new Uint8Array([255, 255, 0, 0])).read("s")).toThrow(RangeError);
    expect(() => new Reader(new Uint8Array([255, 255, 0, 0])).read("as")).toThrow(RangeError);
    expect(() => new Reader(new Uint8Array(2)).read("u")).toThrow(RangeError);
  });
});

describe("messages", () => {
  const call = {
    type: TYPE.call,
    serial: 3,
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "NameHasOwner",
    destination: "org.freedesktop.DBus",
    signature: "s",
    body: ["a.b"],
  };

  test("come back as they were, and as long", () => {
    const bytes = encodeMessage(call);
    const whole = new Uint8Array([...bytes, 1, 2, 3]);
    expect(decodeMessage(whole)).toEqual({ message: call, length: bytes.length });
  });

  test("are waited for until they are whole", () => {
    const bytes = encodeMessage(call);
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeMessage(bytes.subarray(0, length))).toBeUndefined();
    }
  });

  test("that are none, or too long, are refused", () => {
    expect(() => decodeMessage(new Uint8Array(32))).toThrow("little-endian");
    const long = encodeMessage(call);
    new DataView(long.buffer, long.byteOffset).setUint32(4, 0x7fffffff, true);
    expect(() => decodeMessage(long)).toThrow("too long");
  });
});

test("the system's bus is where its address says", () => {
  expect(systemBusPath(undefined)).toBe("/var/run/dbus/system_bus_socket");
  expect(systemBusPath("tcp:host=x;unix:guid=1,path=/tmp/a%20b")).toBe("/tmp/a b");
  expect(systemBusPath("unix:abstract=x")).toBeUndefined();
});
