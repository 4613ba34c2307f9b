import { expect, test } from "bun:test";
import { concatenate, readAttributes } from "../../../../src/ffi/netlink/attributes.ts";
import { forgetConnections } from "../../../../src/ffi/netlink/conntrack.ts";

/** Attributes as nested lists. */
function tree(bytes: Uint8Array, depth = 2): unknown {
  return [...readAttributes(bytes)].map(([type, value]) => [
    type,
    depth > 0 ? tree(value, depth - 1) : Buffer.from(value).toString("hex"),
  ]);
}

test("what was published is known by the port that was asked and the container that answers", () => {
  const { type, body } = forgetConnections({
    family: 4,
    original: { protocol: "udp", destinationPort: 53 },
    reply: { source: "172.17.0.2", protocol: "udp", sourcePort: 5353 },
  });
  // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE; of AF_INET.
  expect(type).toBe(0x102);
  expect([...body[0]!]).toEqual([2, 0, 0, 0]);
  const [, ...rest] = body;
  const tuples = rest.slice(0, 2);
  expect(tree(concatenate(tuples))).toEqual([
    // CTA_TUPLE_ORIG: CTA_TUPLE_PROTO of number and destination port.
    [
      1,
      [
        [
          2,
          [
            [1, "11"],
            [3, "0035"],
          ],
        ],
      ],
    ],
    // CTA_TUPLE_REPLY: CTA_TUPLE_IP of the source, then number and source port.
    [
      2,
      [
        [1, [[1, "ac110002"]]],
        [
          2,
          [
            [1, "11"],
            [2, "14e9"],
          ],
        ],
      ],
    ],
  ]);
  // CTA_FILTER: which of it counts.
  expect(tree(rest[2]!, 1)).toEqual([
    [
      25,
      [
        [1, "28000000"],
        [2, "19000000"],
      ],
    ],
  ]);
});

test("all connections are never meant", () => {
  expect(() => forgetConnections({ family: 6 })).toThrow(RangeError);
  expect(() => forgetConnections({ family: 6, original: {}, reply: {} })).toThrow(RangeError);
});
