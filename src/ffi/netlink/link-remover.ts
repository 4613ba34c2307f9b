/**
 * Removes links. To remove one takes the kernel some 15 ms, as it waits for all who may still look at it; in these the
 * caller's thread would do nothing else, so a thread of the pool waits. What is asked meanwhile goes together next, as a
 * group: 30 veths take some 30 ms then, and 600 one by one. Of bridges each takes 18 ms even so: while it holds the lock of
 * all links, the kernel waits for the callbacks of every processor, once for each (br_multicast_dev_del, rcu_barrier).
 */
import { ERRNO } from "../errno.ts";
import { NETLINK } from "./flags.ts";
import { changeLink, deleteGroup, deleteLink, findLink } from "./links.ts";
import type { NetlinkError } from "./message.ts";
import { NetlinkSocket } from "./socket.ts";

/** Messages of one datagram. */
const MOST = 500;

interface Waiting {
  name: string;
  resolve: () => void;
  reject: (error: Error) => void;
}

export class LinkRemover {
  readonly #socket: NetlinkSocket;
  #waiting: Waiting[] = [];
  #busy = false;

  /** `namespace`: as of `NetlinkSocket`. */
  constructor(namespace?: number) {
    this.#socket = new NetlinkSocket(NETLINK.NETLINK_ROUTE, namespace);
  }

  /** Resolves when it is gone; it need not be there. @throws NetlinkError */
  remove(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    // Who asks for several asks for all before the first goes.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const turn = this.#waiting.splice(0, MOST);
      try {
        const failed = await this.#removeAll(new Set(turn.map(({ name }) => name)));
        for (const { name, resolve, reject } of turn) {
          const error = failed.get(name);
          if (error) reject(error);
          else resolve();
        }
      } catch (error) {
        for (const { reject } of turn) reject(error as Error);
      }
    }
    this.#busy = false;
  }

  async #removeAll(wanted: ReadonlySet<string>): Promise<Map<string, NetlinkError>> {
    let names = [...wanted];
    if (names.length > 1) {
      await this.#removeGroup(names);
      names = names.filter((name) => findLink(this.#socket, name));
    }
    // One alone, and what would not go with the others: for its own error.
    const failed = new Map<string, NetlinkError>();
    if (names.length === 0) return failed;
    const { errors } = await this.#socket.tryBatchLater(names.map((name) => deleteLink(name)));
    for (const { at, error } of errors) if (error.errno !== ERRNO.ENODEV) failed.set(names[at]!, error);
    return failed;
  }

  async #removeGroup(names: readonly string[]): Promise<void> {
    // By index: a change of a group by a name that is not there would be one of all in the group.
    const links = names.flatMap((name) => findLink(this.#socket, name)?.index ?? []);
    if (links.length === 0) return;
    // Nobody else's. That of all links that are in none, 0, the kernel refuses to remove.
    const group = crypto.getRandomValues(new Uint32Array(1))[0]!;
    this.#socket.tryBatch(links.map((link) => changeLink(link, { group })));
    await this.#socket.tryBatchLater([deleteGroup(group)]);
  }
}
