/** Announces addresses when they come, and again a while later, for those who were not listening. */
import { LinkSocket, PacketSocket } from "../../../ffi/packet.ts";
import { advertising } from "../driver-options.ts";
import type { EndpointRecord, NetworkRecord } from "../types.ts";
import { announcement } from "./announcement.ts";

/** After what else a container's start or connection needs: each frame goes to every port of its bridge. */
const BEHIND_MS = 10;

interface Bridge {
  socket: LinkSocket;
  users: number;
}

/** Undefined for a link that is gone: it has no neighbours to tell. */
function open(index: number): Bridge | undefined {
  try {
    return { socket: new LinkSocket(index), users: 0 };
  } catch {
    return undefined;
  }
}

export class Announcer {
  /**
   * For bridges, by index: frames go out of the bridge, as if from the host, so that nothing of it is in a container's
   * namespace. There for as long as anything is announced on it.
   */
  readonly #bridges = new Map<number, Bridge>();
  /** By endpoint: what ends its repetitions. */
  readonly #stops = new Map<string, () => void>();

  /** To all ports of a bridge of the host. */
  onBridge(index: number, network: NetworkRecord, endpoint: EndpointRecord): void {
    const bridge = this.#bridges.get(index) ?? open(index);
    if (!bridge) return;
    this.#bridges.set(index, bridge);
    bridge.users++;
    const send = (frame: Uint8Array) => bridge.socket.send(frame);
    this.#begin(send, network, endpoint, endpoint.mac, () => {
      if (--bridge.users > 0) return;
      this.#bridges.delete(index);
      bridge.socket.close();
    });
  }

  /** From the link itself, to whatever is beyond its parent. */
  inside(
    namespace: number,
    index: number,
    mac: string,
    network: NetworkRecord,
    endpoint: EndpointRecord,
  ): void {
    const socket = new PacketSocket(namespace);
    const send = async (frame: Uint8Array) => socket.send(index, frame);
    this.#begin(send, network, endpoint, mac, () => socket.close());
  }

  stop(endpoint: string): void {
    this.#stops.get(endpoint)?.();
  }

  #begin(
    emit: (frame: Uint8Array) => Promise<void>,
    network: NetworkRecord,
    endpoint: EndpointRecord,
    mac: string,
    end: () => void,
  ): void {
    this.stop(endpoint.id);
    const { count, ms } = advertising(network.options);
    const frames = [endpoint.ipv4, endpoint.ipv6]
      .filter((address) => address !== undefined)
      .map((address) => announcement(address.split("/")[0]!, mac));
    let left = frames.length > 0 ? count : 0;
    let timer: NodeJS.Timeout | undefined;
    let sending = Promise.resolve();
    const stop = (): void => {
      clearTimeout(timer);
      this.#stops.delete(endpoint.id);
      // What is on its way has the socket.
      void sending.then(end);
    };
    const send = (): void => {
      left--;
      sending = Promise.all(frames.map(emit)).then(
        () => {},
        // A link that is down or gone has no neighbours to tell.
        () => {
          left = 0;
        },
      );
    };
    if (left <= 0) {
      end();
      return;
    }
    const after = (delay: number): void => {
      timer = setTimeout(() => {
        if (left > 0) send();
        if (left > 0) after(ms);
        else stop();
      }, delay).unref();
    };
    after(BEHIND_MS);
    this.#stops.set(endpoint.id, stop);
  }
}
