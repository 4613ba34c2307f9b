/**
 * Docker's name server of a container, at 127.0.0.11 inside: it answers for what is in the container's networks, and
 * asks the container's servers for all else.
 * @source moby's daemon/libnetwork/resolver.go, for what is answered and what is passed on
 */
import type { udp } from "bun";
import type { SandboxNames } from "../types.ts";
import type { Directory } from "./directory.ts";
import type { Transport, Watcher } from "./exchange.ts";
import { Forwarder } from "./forwarder.ts";
import {
  CLASS_IN,
  encodeName,
  MAX_MESSAGE,
  MIN_UDP,
  parseQuery,
  type Query,
  RCODE,
  reply,
  replyCode,
  TYPE,
} from "./message.ts";
import { Streams } from "./streams.ts";

/** Where one container's names are asked for. */
interface Served {
  datagrams: Promise<udp.Socket<"buffer"> | undefined>;
  streams: Streams | undefined;
  forwarder: Forwarder;
}

type Send = (answer: Uint8Array) => void;

export class Resolver {
  readonly #directory: Directory;
  readonly #watcher: Watcher;
  readonly #warn: (message: string) => void;
  readonly #served = new Map<string, Served>();

  constructor(directory: Directory, watcher: Watcher, warn: (message: string) => void) {
    this.#directory = directory;
    this.#watcher = watcher;
    this.#warn = warn;
  }

  /** Answers at these sockets, which become its own, until `stop`. `id`: the sandbox's. */
  serve(id: string, { udp, tcp }: { udp: number | undefined; tcp: number | undefined }): void {
    this.stop(id);
    if (udp === undefined && tcp === undefined) return;
    const forwarder = new Forwarder(this.#watcher);
    const handle = (packet: Uint8Array, transport: Transport, send: Send) =>
      this.#handle(id, forwarder, packet, transport, send);
    this.#served.set(id, {
      forwarder,
      streams:
        tcp === undefined
          ? undefined
          : new Streams(tcp, this.#watcher, (packet, send) => handle(packet, "tcp", send)),
      datagrams: udp === undefined ? Promise.resolve(undefined) : this.#open(id, udp, handle),
    });
  }

  stop(id: string): void {
    const served = this.#served.get(id);
    if (served === undefined) return;
    this.#served.delete(id);
    served.streams?.close();
    served.forwarder.close();
    void served.datagrams.then((socket) => socket?.close());
  }

  async #open(
    id: string,
    fd: number,
    handle: (packet: Uint8Array, transport: Transport, send: Send) => void,
  ): Promise<udp.Socket<"buffer"> | undefined> {
    try {
      const options = {
        fd,
        socket: {
          data(socket: udp.Socket<"buffer">, packet: Buffer, port: number, address: string) {
            handle(packet, "udp", (answer) => {
              // Full: the asker asks again, as after any loss.
              if (!socket.closed) socket.send(answer, port, address);
            });
          },
          // Without, the first ICMP message would end the program.
          error() {},
        },
      };
      // Bun's types do not know `fd` here
      return await Bun.udpSocket(options as unknown as udp.SocketOptions<"buffer">);
    } catch (error) {
      this.#warn(`names of ${id}: ${(error as Error).message}`);
      return undefined;
    }
  }

  #handle(id: string, forwarder: Forwarder, packet: Uint8Array, transport: Transport, send: Send): void {
    const query = parseQuery(packet);
    if (query === "ignore") return;
    if ("rcode" in query) return void send(replyCode(packet, query.rcode));
    const sandbox = this.#directory.sandbox(id);
    if (sandbox === undefined) return void send(replyCode(packet, RCODE.SERVFAIL, query));
    const answers = query.class === CLASS_IN ? this.#answer(sandbox, query) : undefined;
    if (answers !== undefined) {
      const limit = transport === "tcp" ? MAX_MESSAGE : (query.udpSize ?? MIN_UDP);
      send(reply(packet, query, { type: query.type, data: answers }, limit));
    } else if (sandbox.ndots && isAddress(query) && !query.name.includes(".")) {
      // The asker is to try its search domains.
      send(replyCode(packet, RCODE.NOERROR, query));
    } else forwarder.forward(sandbox, { packet, query, transport }, send);
  }

  /** Undefined: it is nobody's name here. */
  #answer({ id }: SandboxNames, { name, type }: Query): readonly Uint8Array[] | undefined {
    switch (type) {
      case TYPE.A:
        return this.#directory.resolve(id, name, 4);
      case TYPE.AAAA:
        return this.#directory.resolve(id, name, 6);
      case TYPE.MX:
        // None, so that mail goes to its address (RFC 5321, section 5.1).
        return this.#directory.resolve(id, name, 4) && [];
      case TYPE.PTR: {
        const found = this.#directory.reverse(id, name);
        const data = found === undefined ? undefined : encodeName(found);
        return data && [data];
      }
      default:
        return undefined;
    }
  }
}

const isAddress = ({ type }: Query): boolean => type === TYPE.A || type === TYPE.AAAA;
