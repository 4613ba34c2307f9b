import { expect, test } from "bun:test";
import { announcement } from "../../../../../src/engine/network/wiring/announcement.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("an IPv4 address is announced by an ARP request for itself, to everybody", () => {
  expect(hex(announcement("10.0.0.2", "02:42:0a:00:00:02"))).toBe(
    `ffffffffffff${"02420a000002"}0806${"0001080006040001"}02420a0000020a000002${"000000000000"}0a000002`,
  );
});

test("an IPv6 address by an unsolicited neighbour advertisement to all nodes, whose checksum is right", () => {
  const frame = announcement("fd00::2", "02:42:0a:00:00:02");
  expect(hex(frame.subarray(0, 14))).toBe("33330000000102420a00000286dd");
  // Hop limit 255, or nobody believes it.
  expect(hex(frame.subarray(14, 22))).toBe("6000000000203aff");
  const message = frame.subarray(54);
  expect(hex(message.subarray(0, 2))).toBe("8800");
  expect(message[4]).toBe(0x20);
  expect(hex(message.subarray(24))).toBe("020102420a000002");
  // RFC 1071: the sum over pseudo header and message, checksum included, is all ones.
  const summed = [...frame.subarray(22, 54), 0, 0, 0, message.length, 0, 0, 0, 58, ...message];
  let sum = 0;
  for (let n = 0; n < summed.length; n += 2) sum += (summed[n]! << 8) | summed[n + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  expect(sum).toBe(0xffff);
});
