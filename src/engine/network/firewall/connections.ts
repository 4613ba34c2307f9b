/** Connections that end, or are looked at anew, when a container's ports or addresses change. */
import { ERRNO } from "../../../ffi/errno.ts";
import {
  type Connections,
  forgetConnections,
  forgetListed,
  listConnections,
} from "../../../ffi/netlink/conntrack.ts";
import { NETLINK } from "../../../ffi/netlink/flags.ts";
import { NetlinkError } from "../../../ffi/netlink/message.ts";
import { NetlinkSocket } from "../../../ffi/netlink/socket.ts";
import { isAny, isSix, sameBinding } from "../bindings.ts";
import type { FirewallEndpoint, PortBinding } from "../types.ts";

const familyOf = (address: string): 4 | 6 => (isSix(address) ? 6 : 4);
/** What was sent to a port before it was published (or by another) is remembered as the host's own. Not so TCP: it begins anew. */
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
  const changed: Connections[] = [];
  for (const port of has) {
    if (port.hostPort === 0 || port.protocol === "tcp" || had.some((other) => sameBinding(port, other)))
      continue;
    changed.push(toNewPort(port));
  }
  for (const port of had) {
    const address = isSix(port.hostIp) ? before?.ipv6 : before?.ipv4;
    if (port.hostPort === 0 || address === undefined || has.some((other) => sameBinding(port, other)))
      continue;
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

export class Conntrack implements Disposable {
  readonly #socket = new NetlinkSocket(NETLINK.NETLINK_NETFILTER);
  /** The kernel looks for them by itself. */
  #finds = true;

  /** As far as the kernel tracks connections at all. */
  forget(connections: readonly Connections[], warn: (message: string) => void): void {
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
    const found = this.#socket.dump(listConnections(some)).map(forgetListed);
    if (found.length === 0) return;
    for (const { error } of this.#socket.tryBatch(found).errors)
      if (error.errno !== ERRNO.ENOENT) throw error;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
