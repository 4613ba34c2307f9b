/**
 * Which host ports are given out. An address of the host and "any address" of its family take a port from each other;
 * families do not. What other programs have bound is not known here: binding tells.
 */
import { EngineError } from "../../errors.ts";
import type { PortRange } from "./ranges.ts";

export type Protocol = "tcp" | "udp" | "sctp";

const anyOf = (ip: string): string => (ip.includes(":") ? "::" : "0.0.0.0");

export class PortAllocator {
  readonly #ephemeral: PortRange;
  readonly #reserved: ReadonlySet<number>;
  /** Protocol and address → the ports taken, and by whom. */
  readonly #taken = new Map<string, Map<number, string>>();
  /** Where the search of a range went last. */
  readonly #last = new Map<string, number>();

  constructor(ephemeral: PortRange, reserved: ReadonlySet<number>) {
    this.#ephemeral = ephemeral;
    this.#reserved = reserved;
  }

  /**
   * One port, the same for all of the addresses. 0 to 0: any of the ephemeral range.
   * @throws EngineError `Bind for 0.0.0.0:80 failed: port is already allocated`, `all ports are allocated`
   */
  take(owner: string, protocol: Protocol, ips: readonly string[], { start, end }: PortRange): number {
    if (start !== 0 && start === end) {
      const blocked = this.#blocking(protocol, ips, start);
      if (blocked !== undefined) {
        throw new EngineError("internal", `Bind for ${blocked}:${start} failed: port is already allocated`);
      }
      this.#put(owner, protocol, ips, start);
      return start;
    }
    const any = start === 0 && end === 0;
    const range = any ? this.#ephemeral : { start, end };
    const key = `${protocol} ${ips[0]} ${range.start}-${range.end}`;
    let port = this.#last.get(key) ?? range.end;
    for (let n = range.start; n <= range.end; n++) {
      port = port >= range.end ? range.start : port + 1;
      if (any && this.#reserved.has(port)) continue;
      if (this.#blocking(protocol, ips, port) !== undefined) continue;
      this.#last.set(key, port);
      this.#put(owner, protocol, ips, port);
      return port;
    }
    throw new EngineError("internal", "all ports are allocated");
  }

  /** What is published already, whatever else says so. */
  claim(owner: string, protocol: Protocol, ip: string, port: number): void {
    this.#put(owner, protocol, [ip], port);
  }

  give(owner: string, protocol: Protocol, ip: string, port: number): void {
    const taken = this.#taken.get(`${protocol} ${ip}`);
    if (taken?.get(port) === owner) taken.delete(port);
    if (taken?.size === 0) this.#taken.delete(`${protocol} ${ip}`);
  }

  #put(owner: string, protocol: Protocol, ips: readonly string[], port: number): void {
    for (const ip of ips) {
      const key = `${protocol} ${ip}`;
      const taken = this.#taken.get(key) ?? new Map<number, string>();
      this.#taken.set(key, taken.set(port, owner));
    }
  }

  /** The address for which the port is not to be had. */
  #blocking(protocol: Protocol, ips: readonly string[], port: number): string | undefined {
    for (const ip of ips) {
      const any = anyOf(ip);
      if (this.#taken.get(`${protocol} ${any}`)?.has(port)) return any;
      if (ip !== any && this.#taken.get(`${protocol} ${ip}`)?.has(port)) return ip;
      if (ip === any) {
        for (const [key, ports] of this.#taken) {
          const [other, address] = key.split(" ") as [string, string];
          if (other === protocol && anyOf(address) === any && ports.has(port)) return address;
        }
      }
    }
    return undefined;
  }
}
