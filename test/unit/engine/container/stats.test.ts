import { expect, test } from "bun:test";
import { networkStats } from "../../../../src/engine/container/stats.ts";

const HEAD = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;
const LO =
  "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n";

test("every interface but the loopback is counted, in and out", () => {
  const eth0 =
    "  eth0:1626      15    1    2    0     0          0         0      126       3    4    5    0     0       0          0\n";
  expect(networkStats(HEAD + LO + eth0)).toEqual({
    networks: {
      eth0: {
        rx_bytes: 1626,
        rx_packets: 15,
        rx_errors: 1,
        rx_dropped: 2,
        tx_bytes: 126,
        tx_packets: 3,
        tx_errors: 4,
        tx_dropped: 5,
      },
    },
  });
});

test("with the loopback alone there are no networks", () => {
  expect(networkStats(HEAD + LO)).toEqual({});
});
