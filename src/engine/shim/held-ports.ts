/**
 * Host ports, held by sockets as long as a container has them published, so that nobody else takes them. Those that
 * the kernel cannot forward are handed to ts-proxy.
 */
import { bindPort, setDeaf } from "../../ffi/inet.ts";
import { closeFd, SystemError } from "../../ffi/libc.ts";
import { EngineError } from "../errors.ts";
import { type BoundPort, keyOf } from "../network/proxy/client.ts";
import type { HeldPort } from "../network/types.ts";
import type { NetworkRecords } from "./network-records.ts";

/** Forwards what comes to the sockets of ports that say where to (ts-proxy). */
export interface Forwarder {
  /** What a predecessor told it to forward. The sockets become the caller's. */
  known(): Promise<BoundPort[]>;
  /** Replaces where the port's traffic goes. */
  add(bound: BoundPort): void;
  /** Nothing new is forwarded; connections that are there end. */
  remove(port: HeldPort): void;
}

/** How long to wait before another try for a port that somebody took while no shim was there. */
const RETRY_MS = 1000;

/** Whether it goes, and while it is there one of `wanted` cannot be had: of all addresses of the host and one of them, say. */
export const isInTheWay = (port: HeldPort, wanted: readonly HeldPort[]): boolean =>
  wanted.some(({ protocol, hostPort }) => protocol === port.protocol && hostPort === port.hostPort) &&
  !wanted.some((other) => keyOf(other) === keyOf(port));

export class PortHolder {
  readonly #records: NetworkRecords;
  readonly #forwarder: Forwarder;
  readonly #warn: (message: string) => void;
  /** Endpoint → its ports by their keys. */
  readonly #held = new Map<string, Map<string, BoundPort>>();
  readonly #lost = new Map<string, HeldPort[]>();
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(records: NetworkRecords, forwarder: Forwarder, warn: (message: string) => void) {
    this.#records = records;
    this.#forwarder = forwarder;
    this.#warn = warn;
  }

  /** Holds again what a predecessor held. */
  async start(): Promise<void> {
    const records = this.#records.readAll("ports");
    const forwarded = new Map<string, BoundPort>();
    for (const bound of await this.#forwarder.known()) forwarded.set(keyOf(bound.port), bound);
    for (const { id, ports } of records) {
      const mine = new Map<string, BoundPort>();
      this.#held.set(id, mine);
      for (const port of ports) {
        const bound = port.to && forwarded.get(keyOf(port));
        if (bound) {
          forwarded.delete(keyOf(port));
          mine.set(keyOf(port), { port, fd: bound.fd });
          if (!sameTarget(port, bound.port)) this.#forwarder.add({ port, fd: bound.fd });
        }
      }
    }
    for (const { port, fd } of forwarded.values()) {
      this.#forwarder.remove(port);
      closeFd(fd);
    }
    for (const { id, ports } of records) {
      for (const port of ports) if (!this.#held.get(id)!.has(keyOf(port))) this.#takeBack(id, port);
    }
  }

  of(endpoint: string): HeldPort[] {
    return [...(this.#held.get(endpoint)?.values() ?? [])].map(({ port }) => port);
  }

  get endpoints(): string[] {
    return [...this.#held.keys()];
  }

  /** @throws EngineError when one cannot be had; then all is as it was */
  hold(endpoint: string, ports: readonly HeldPort[]): void {
    const held = this.#held.get(endpoint) ?? new Map<string, BoundPort>();
    const wanted = new Map(ports.map((port) => [keyOf(port), port]));
    const fresh: BoundPort[] = [];
    try {
      for (const [key, port] of wanted) {
        if (!held.has(key)) fresh.push({ port, fd: bind(port) });
      }
      if (wanted.size > 0) this.#records.write("ports", { id: endpoint, ports: [...wanted.values()] });
    } catch (error) {
      for (const { fd } of fresh) closeFd(fd);
      throw error;
    }
    this.#lost.delete(endpoint);
    for (const [key, bound] of held) this.#change(held, bound, wanted.get(key));
    for (const bound of fresh) this.#put(held, bound);
    if (held.size > 0) this.#held.set(endpoint, held);
    else {
      this.#held.delete(endpoint);
      this.#records.remove("ports", endpoint);
    }
  }

  /** Nothing is published any more. */
  releaseAll(): void {
    for (const endpoint of this.endpoints) this.hold(endpoint, []);
    this.close();
  }

  /** Leaves the records, and what is forwarded, to a successor. */
  close(): void {
    clearTimeout(this.#retry);
  }

  #put(held: Map<string, BoundPort>, bound: BoundPort): void {
    held.set(keyOf(bound.port), bound);
    if (bound.port.to !== undefined) this.#forwarder.add(bound);
  }

  /** `to`: what the port is from now on; nothing: it is given back. */
  #change(held: Map<string, BoundPort>, { port, fd }: BoundPort, to: HeldPort | undefined): void {
    if (to === undefined) {
      held.delete(keyOf(port));
      if (port.to !== undefined) this.#forwarder.remove(port);
      closeFd(fd);
    } else if (!sameTarget(port, to)) {
      if (to.to === undefined) {
        setDeaf(fd, true);
        this.#forwarder.remove(port);
      } else if (port.to === undefined) setDeaf(fd, false);
      this.#put(held, { port: to, fd });
    }
  }

  /** One that was held before: whoever has it now may give it back. */
  #takeBack(endpoint: string, port: HeldPort): void {
    try {
      this.#put(this.#held.get(endpoint)!, { port, fd: bind(port) });
    } catch (error) {
      this.#warn(`${(error as Error).message}: it is tried again`);
      this.#lost.set(endpoint, [...(this.#lost.get(endpoint) ?? []), port]);
      this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
    }
  }

  #tryAgain(): void {
    this.#retry = undefined;
    for (const [endpoint, ports] of [...this.#lost]) {
      const still = ports.filter((port) => {
        try {
          this.#put(this.#held.get(endpoint)!, { port, fd: bind(port) });
          return false;
        } catch {
          return true;
        }
      });
      if (still.length > 0) this.#lost.set(endpoint, still);
      else this.#lost.delete(endpoint);
    }
    if (this.#lost.size > 0) this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
  }
}

const sameTarget = (a: HeldPort, b: HeldPort): boolean => a.to?.ip === b.to?.ip && a.to?.port === b.to?.port;

function bind({ protocol, hostIp, hostPort, to }: HeldPort): number {
  try {
    return bindPort({ protocol, ip: hostIp, port: hostPort }, { deaf: to === undefined });
  } catch (error) {
    if (error instanceof SystemError) throw new EngineError("internal", error.message, { cause: error });
    throw new EngineError("invalid", (error as Error).message, { cause: error });
  }
}
