/** Connections that end, or are looked at anew, when a container's ports or addresses change. */
import { ERRNO } from "../../../ffi/errno.ts";
import {
  type Connections,
  forgetConnections,
  forgetListed,
  ListedConnection,
  listAllConnections,
  listConnections,
} from "../../../ffi/netlink/conntrack.ts";
import { NETLINK } from "../../../ffi/netlink/flags.ts";
import { NetlinkError, type Reply } from "../../../ffi/netlink/message.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { bindingKey, isAny, isSix } from "../bindings.ts";
import type { FirewallEndpoint, PortBinding } from "../types.ts";

const familyOf = (address: string): 4 | 6 => (isSix(address) ? 6 : 4);

/**
 * What was sent to a port before it was published (or by another) is remembered as the host's own. Not so TCP: it begins
 * anew.
 */
function toNewPort({ protocol, hostIp, hostPort }: PortBinding): Connections {
  const destination = isAny(hostIp) ? {} : { destination: hostIp };
  return { family: familyOf(hostIp), original: { protocol, destinationPort: hostPort, ...destination } };
}

/** Through the kernel: ts-proxy's connections are sockets, and end with it. */
function throughOldPort(port: PortBinding, address: string): Connections {
  const { protocol, hostPort, containerPort } = port;
  return {
    family: familyOf(address),
    original: { protocol, destinationPort: hostPort },
    reply: { source: address, protocol, sourcePort: containerPort },
  };
}

/** Which connections change with an endpoint; `undefined` for one that was not there, or is gone. */
export function changedConnections(
  before: FirewallEndpoint | undefined,
  after: FirewallEndpoint | undefined,
): Connections[] {
  const had = before?.ports ?? [];
  const has = after?.ports ?? [];
  const [hadKeys, hasKeys] = [had, has].map((ports) => new Set(ports.map(bindingKey)));
  const changed: Connections[] = [];
  for (const port of has) {
    if (port.hostPort === 0 || port.protocol === "tcp" || hadKeys!.has(bindingKey(port))) continue;
    changed.push(toNewPort(port));
  }
  // With a container's address, all of its connections go.
  for (const port of after === undefined ? [] : had) {
    const address = isSix(port.hostIp) ? before?.ipv6 : before?.ipv4;
    if (port.hostPort === 0 || address === undefined || hasKeys!.has(bindingKey(port))) continue;
    changed.push(throughOldPort(port, address));
  }
  for (const name of ["ipv4", "ipv6"] as const) {
    const address = before?.[name];
    if (address === undefined || address === after?.[name]) continue;
    // The address may soon be another container's.
    const family = familyOf(address);
    changed.push({ family, original: { source: address } }, { family, reply: { source: address } });
  }
  return changed;
}

/** The kernel walks all of its table for each question, some 0.4 ms: for more than this, it is read once. */
const FEW = 16;

export class Conntrack implements Disposable {
  readonly #socket = new NetlinkSocket(NETLINK.NETLINK_NETFILTER);
  /** The kernel looks for them by itself. */
  #finds = true;

  /** As far as the kernel tracks connections at all. */
  forget(connections: readonly Connections[], warn: (message: string) => void): void {
    if (connections.length > FEW) {
      try {
        for (const family of [4, 6] as const) this.#forgetMany(connections, family);
      } catch (error) {
        warn((error as Error).message);
      }
      return;
    }
    for (const some of connections) {
      try {
        this.#forget(some);
      } catch (error) {
        warn((error as Error).message);
      }
    }
  }

  #forget(some: Connections): void {
    if (this.#finds) {
      try {
        this.#socket.request(forgetConnections(some));
        return;
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.errno !== ERRNO.EINVAL) throw error;
        this.#finds = false;
      }
    }
    this.forgetOneByOne(some);
  }

  /** As older kernels want it (before Linux 6.8). */
  forgetOneByOne(some: Connections): void {
    this.#forgetFound(this.#socket.dump(listConnections(some)));
  }

  #forgetMany(connections: readonly Connections[], family: 4 | 6): void {
    const some = connections.filter((one) => one.family === family);
    if (some.length === 0) return;
    const byPort = Map.groupBy(some, ({ original }) => original?.destinationPort);
    const isMeant = (listed: ListedConnection): boolean =>
      [listed.destinationPort, undefined].some((port) =>
        byPort.get(port)?.some((one) => listed.matches(one)),
      );
    const all = this.#socket.dump(listAllConnections(family));
    this.#forgetFound(all.filter((reply) => isMeant(new ListedConnection(reply))));
  }

  #forgetFound(replies: readonly Reply[]): void {
    const found = replies.map(forgetListed);
    if (found.length === 0) return;
    for (const { error } of this.#socket.tryBatch(found).errors)
      if (error.errno !== ERRNO.ENOENT) throw error;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
