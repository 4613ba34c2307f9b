import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { asText, attributeMap, text } from "../../../../src/ffi/netlink/attributes.ts";
import { NETLINK } from "../../../../src/ffi/netlink/flags.ts";
import { NetlinkError } from "../../../../src/ffi/netlink/message.ts";
import { NetlinkSocket } from "../../../../src/ffi/netlink/socket.ts";

const [RTM_GETLINK, RTM_NEWLINK, IFLA_IFNAME] = [18, 16, 3];
const INFO = 16;
const get = (name: string) => ({
  type: RTM_GETLINK,
  flags: 0,
  body: [new Uint8Array(INFO), text(IFLA_IFNAME, name)],
  what: `look up ${name}`,
});

describe("a netlink socket", () => {
  test("dumps the loopback link, and gets it by name", () => {
    using socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
    const all = socket.dump({
      type: RTM_GETLINK,
      flags: 0,
      body: [new Uint8Array(INFO)],
      what: "list links",
    });
    const names = all.map(({ body }) => asText(attributeMap(body.subarray(INFO)).get(IFLA_IFNAME)));
    expect(names).toContain("lo");
    const [lo] = socket.request(get("lo"));
    expect(lo!.type).toBe(RTM_NEWLINK);
    expect(asText(attributeMap(lo!.body.subarray(INFO)).get(IFLA_IFNAME))).toBe("lo");
  });

  test("says what failed and why, and goes on after it", () => {
    using socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
    const failed = (() => {
      try {
        socket.request(get("none-such"));
      } catch (error) {
        return error as NetlinkError;
      }
    })();
    expect(failed).toBeInstanceOf(NetlinkError);
    expect(failed!.code).toBe("ENODEV");
    expect(failed!.message).toStartWith("look up none-such: no such device");
    expect(socket.request(get("lo"))).toHaveLength(1);
  });

  test("answers every message of a batch, those after one that fails too", () => {
    using socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
    const ack = { flags: 4 };
    const messages = [
      { ...get("lo"), ...ack },
      { ...get("none-such"), ...ack },
      { ...get("lo"), ...ack },
    ];
    const { replies, errors } = socket.tryBatch(messages);
    expect(replies).toHaveLength(2);
    expect(errors.map(({ at, error }) => [at, error.code])).toEqual([[1, "ENODEV"]]);
    expect(() => socket.batch(messages)).toThrow("look up none-such");
  });

  test.if(process.getuid?.() === 0)(
    "holds the answers of 2,000 messages, for which root may enlarge it",
    () => {
      using socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
      const messages = Array.from({ length: 2000 }, () => ({
        ...get("none-such"),
        body: [new Uint8Array(INFO), text(IFLA_IFNAME, "none-such"), text(53, "x".repeat(100))],
        flags: 4,
      }));
      expect(socket.tryBatch(messages).errors).toHaveLength(2000);
    },
  );

  test("is closed at the end of its block", () => {
    const before = readdirSync("/proc/self/fd").length;
    {
      using socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE);
      expect(socket.receive()).toEqual([]);
    }
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});
