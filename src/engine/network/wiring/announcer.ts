/** Announces addresses when they come, and again a while later, for those who were not listening. */
import { PacketSocket } from "../../../ffi/packet.ts";
import { advertising } from "../driver-options.ts";
import type { EndpointRecord, NetworkRecord } from "../types.ts";
import { announcement } from "./announcement.ts";

export class Announcer {
  /** For bridges: frames go out of the bridge, as if from the host, so that nothing of it is in a container's namespace. */
  #host: PacketSocket | undefined;
  /** By endpoint: what ends its repetitions. */
  readonly #stops = new Map<string, () => void>();

  /** To all ports of a bridge of the host. */
  onBridge(index: number, network: NetworkRecord, endpoint: EndpointRecord): void {
    this.#host ??= new PacketSocket();
    this.#begin(this.#host, index, network, endpoint, endpoint.mac, () => {});
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
    this.#begin(socket, index, network, endpoint, mac, () => socket.close());
  }

  stop(endpoint: string): void {
    this.#stops.get(endpoint)?.();
  }

  #begin(
    socket: PacketSocket,
    index: number,
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
    const send = (): void => {
      // A link that is down or gone has no neighbours to tell.
      try {
        for (const frame of frames) socket.send(index, frame);
        left--;
      } catch {
        left = 0;
      }
    };
    if (left > 0) send();
    if (left <= 0) {
      end();
      return;
    }
    const stop = (): void => {
      clearInterval(timer);
      this.#stops.delete(endpoint.id);
      end();
    };
    const timer = setInterval(() => {
      send();
      if (left <= 0) stop();
    }, ms);
    timer.unref();
    this.#stops.set(endpoint.id, stop);
  }
}
