/** Word of what anybody changes in nf_tables of this network namespace, by the event loop. */
import { NETLINK } from "../netlink/flags.ts";
import { decodeMessages } from "../netlink/message.ts";
import { NetlinkSocket } from "../netlink/socket.ts";
import { type Change, decodeChange } from "./connection.ts";
import { NFNL } from "./flags.ts";

export interface Monitor {
  close(): void;
}

/**
 * @param changed every change, in order; a transaction's are followed by one of NFT_MSG_NEWGEN
 * @param lost when more was told than could be kept: look at everything, and watch again
 */
export async function watchNftables(changed: (change: Change) => void, lost: () => void): Promise<Monitor> {
  const netlink = new NetlinkSocket(NETLINK.NETLINK_NETFILTER);
  netlink.join(NFNL.NFNLGRP_NFTABLES);
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    lost();
  };
  // Bun reads any socket by its event loop, each datagram for itself, and owns the fd from here on.
  const socket = await Bun.connect({
    fd: netlink.fd,
    socket: {
      data(_: unknown, bytes: Uint8Array) {
        for (const reply of decodeMessages(bytes)) {
          const change = decodeChange(reply);
          if (change) changed(change);
        }
      },
      // ENOBUFS ends it, as Bun sees it.
      error: end,
      close: end,
    },
  } as unknown as Parameters<typeof Bun.connect>[0]);
  return {
    close() {
      over = true;
      socket.terminate();
    },
  };
}
