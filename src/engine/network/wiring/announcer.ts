/** Announces addresses when they come, and again a while later, for those who were not listening. */
import { PacketSocket } from "../../../ffi/packet.ts";
import { EngineError } from "../../errors.ts";
import type { EndpointRecord, NetworkRecord } from "../types.ts";
import { announcement } from "./announcement.ts";

const COUNT = "com.docker.network.advertise_addr_nmsgs";
const INTERVAL = "com.docker.network.advertise_addr_ms";

/** How often, and how far apart in milliseconds. @throws EngineError in Docker's words */
function timing({ options }: NetworkRecord): { count: number; interval: number } {
  const read = (key: string, least: number, most: number, standard: number): number => {
    const value = options[key];
    if (value === undefined) return standard;
    if (!/^[+-]?\d+$/.test(value))
      throw new EngineError("invalid", `value for option ${key} ${JSON.stringify(value)} must be an integer`);
    const number = Number(value);
    if (number < least || number > most)
      throw new EngineError("invalid", `${key} must be in the range ${least} to ${most}`);
    return number;
  };
  return { count: read(COUNT, 0, 3, 3), interval: read(INTERVAL, 100, 2000, 1000) };
}

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
    const { count, interval } = timing(network);
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
    }, interval);
    timer.unref();
    this.#stops.set(endpoint.id, stop);
  }
}
