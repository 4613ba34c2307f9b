/** Frames sent as they are, on any link of a namespace. @source packet(7) */
import { close, write } from "node:fs";
import { check, sys } from "./libc.ts";
import { socketIn } from "./netns.ts";
import { SOCK } from "./socket-flags.ts";

const AF_PACKET = 17;
const ADDRESS_SIZE = 20;

/** Only sends: its protocol is none, so nothing is received. */
export class PacketSocket {
  readonly #fd: number;

  /** In the namespace of that descriptor; else in that of the calling thread. */
  constructor(namespace?: number) {
    const { SOCK_RAW, SOCK_CLOEXEC } = SOCK;
    this.#fd =
      namespace === undefined
        ? check(sys("socket", AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "open a packet socket")
        : socketIn(namespace, AF_PACKET, SOCK_RAW, 0);
  }

  /** A whole Ethernet frame. Never waits. `index`: the link's. */
  send(index: number, frame: Uint8Array): void {
    const address = addressOf(index);
    const result = sys("sendto", this.#fd, frame, frame.length, SOCK.MSG_DONTWAIT, address, ADDRESS_SIZE);
    check(result, "send a frame");
  }

  /** The kernel waits in this call until nobody sees the socket any more, so a thread of the pool makes it. */
  close(): void {
    close(this.#fd, () => {});
  }
}

/**
 * Sends on one link of the calling thread's namespace, by a thread of the pool: to all ports of a bridge with a thousand
 * of them takes the kernel milliseconds, in the call.
 */
export class LinkSocket {
  readonly #fd: number;

  /** `index`: the link's. */
  constructor(index: number) {
    const { SOCK_RAW, SOCK_CLOEXEC, SOCK_NONBLOCK } = SOCK;
    const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.#fd = check(sys("socket", AF_PACKET, type, 0), "open a packet socket");
    try {
      check(sys("bind", this.#fd, addressOf(index), ADDRESS_SIZE), "bind a packet socket");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** A whole Ethernet frame. */
  send(frame: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      write(this.#fd, frame, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Not before all that was sent is gone. */
  close(): void {
    close(this.#fd, () => {});
  }
}

/** A `struct sockaddr_ll` for a link, and no protocol. */
function addressOf(index: number): Uint8Array {
  const address = new Uint8Array(ADDRESS_SIZE);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setInt32(4, index, true);
  return address;
}
