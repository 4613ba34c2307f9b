/**
 * What of networking outlives the daemon: names are answered, and host ports are held and forwarded. What the daemon
 * said of them is kept for a successor.
 */
import { join } from "node:path";
import { EngineError } from "../errors.ts";
import { PortProxy } from "../network/proxy/client.ts";
import { Directory } from "../network/resolver/directory.ts";
import { Resolver } from "../network/resolver/resolver.ts";
import type { EndpointNames, HeldPort, SandboxNames, ShimNetworks } from "../network/types.ts";
import { isInTheWay, PortHolder } from "./held-ports.ts";
import { NetworkRecords } from "./network-records.ts";
import type { Poller } from "./poller.ts";

/** Of a keeper: where a container's names are asked for. */
export interface NamesSockets {
  udp: number | undefined;
  tcp: number | undefined;
}

export class Networks implements ShimNetworks {
  readonly #records: NetworkRecords;
  readonly #directory = new Directory();
  readonly #resolver: Resolver;
  readonly #proxy: PortProxy;
  readonly #warn: (message: string) => void;
  readonly #ports: PortHolder;
  /** What a predecessor held is held again. */
  #held: Promise<void> = Promise.resolve();

  constructor(execRoot: string, poller: Poller, warn: (message: string) => void) {
    this.#warn = warn;
    this.#records = new NetworkRecords(execRoot);
    this.#proxy = new PortProxy(join(this.#records.folder, "proxy.sock"), poller, warn);
    this.#ports = new PortHolder(this.#records, this.#proxy, warn);
    this.#resolver = new Resolver(this.#directory, poller, warn);
  }

  /** Goes on with what a predecessor was told. */
  start(): void {
    for (const sandbox of this.#records.readAll("sandbox")) this.#directory.putSandbox(sandbox);
    for (const endpoint of this.#records.readAll("endpoint")) {
      try {
        this.#directory.putEndpoint(endpoint);
      } catch (error) {
        // Of a build that knows more: the daemon will say it again.
        this.#warn(`names of ${endpoint.id}: ${(error as Error).message}`);
      }
    }
    // A proxy that is stopped holds up nobody but its ports.
    this.#held = this.#ports.start();
    this.#held.catch(() => {});
  }

  /** Answers at these sockets, which it takes over, until `silence`. */
  answer(container: string, sockets: NamesSockets): void {
    this.#resolver.serve(container, sockets);
  }

  silence(container: string): void {
    this.#resolver.stop(container);
  }

  async putNames({ sandboxes = [], endpoints = [] }: Partial<AllNames>): Promise<void> {
    try {
      for (const sandbox of sandboxes) {
        this.#records.write("sandbox", sandbox);
        this.#directory.putSandbox(sandbox);
      }
      for (const endpoint of endpoints) {
        this.#directory.putEndpoint(endpoint);
        this.#records.write("endpoint", endpoint);
      }
    } catch (error) {
      if (error instanceof RangeError) throw new EngineError("invalid", error.message, { cause: error });
      throw error;
    }
  }

  async removeNames({
    sandboxes = [],
    endpoints = [],
  }: {
    sandboxes?: string[];
    endpoints?: string[];
  }): Promise<void> {
    for (const id of sandboxes) {
      this.#directory.removeSandbox(id);
      this.#records.remove("sandbox", id);
    }
    for (const id of endpoints) {
      this.#directory.removeEndpoint(id);
      this.#records.remove("endpoint", id);
    }
  }

  async syncNames(all: AllNames): Promise<void> {
    const keep = new Set([...all.sandboxes, ...all.endpoints].map(({ id }) => id));
    await this.removeNames({
      sandboxes: [...this.#directory.sandboxes].filter((id) => !keep.has(id)),
      endpoints: [...this.#directory.endpoints].filter((id) => !keep.has(id)),
    });
    await this.putNames(all);
  }

  async holdPorts(endpoint: string, ports: HeldPort[]): Promise<void> {
    await this.#held;
    // One that moves to another address of the host is in its own way.
    const before = this.#ports.of(endpoint);
    const staying = before.filter((port) => !isInTheWay(port, ports));
    const moves = staying.length < before.length;
    if (moves) {
      this.#ports.hold(endpoint, staying);
      await this.#proxy.released();
    }
    try {
      this.#ports.hold(endpoint, ports);
    } catch (error) {
      if (moves) this.#ports.hold(endpoint, before);
      throw error;
    }
    await this.#proxy.released();
  }

  async heldPorts(): Promise<string[]> {
    await this.#held;
    return this.#ports.endpoints;
  }

  /** There is nobody left who has ports. */
  async release(): Promise<void> {
    await this.#held;
    this.#ports.releaseAll();
  }

  /** For a successor; nothing that was told is forgotten. */
  abandon(): void {
    this.#ports.close();
    this.#proxy.close();
  }
}

interface AllNames {
  sandboxes: SandboxNames[];
  endpoints: EndpointNames[];
}
