/** Gives out host ports, and has them held by sockets in the shim: by those that only hold, and by ts-proxy's. */
import { EngineError } from "../../errors.ts";
import { addressOf, bindingKey, isSix } from "../bindings.ts";
import type { EndpointRecord, HeldPort, PortBinding, PortRequest, Ports, ShimNetworks } from "../types.ts";
import type { PortAllocator } from "./allocator.ts";
import { type Families, type Group, groupsOf } from "./requests.ts";

/** Another program may have any port that was not asked for by number: so many others are tried, as Docker does. */
const TRIES = 10;

export interface HostPortsOptions {
  shim: Pick<ShimNetworks, "holdPorts">;
  allocator: PortAllocator;
  /** Of the host's addresses of these families ts-proxy listens on all ports, not only where the kernel cannot forward. */
  proxyAll: Families;
  /** Whether the host has IPv6. */
  listens6(): boolean;
}

export class HostPorts implements Ports {
  readonly #options: HostPortsOptions;
  /** What each endpoint has. */
  readonly #bindings = new Map<string, readonly PortBinding[]>();

  constructor(options: HostPortsOptions) {
    this.#options = options;
  }

  async publish(
    endpoint: EndpointRecord,
    requests: PortRequest[],
    family: Families,
    kept: readonly PortBinding[] = [],
  ): Promise<PortBinding[]> {
    const groups = groupsOf(endpoint, requests, family, this.#options.listens6);
    const had = this.#bindings.get(endpoint.id) ?? [];
    // What goes may be had again at once, by the same endpoint alone.
    const staying = new Set(kept.map(bindingKey));
    const going = had.filter((binding) => !staying.has(bindingKey(binding)));
    for (const binding of going) this.#give(endpoint, binding);
    // After a change that is undone, they may be nobody's.
    for (const binding of kept) this.#claim(endpoint, binding);
    const taken = new Map<Group, PortBinding[]>();
    const fresh = () => [...taken.values()].flat();
    try {
      for (const group of groups) taken.set(group, this.#take(endpoint, group));
      for (let n = 1; ; n++) {
        try {
          await this.#hold(endpoint, [...kept, ...fresh()]);
          break;
        } catch (error) {
          const group = n < TRIES ? groupInTheWay(error as Error, taken) : undefined;
          if (!group) throw error;
          for (const binding of taken.get(group)!) this.#give(endpoint, binding);
          taken.delete(group);
          taken.set(group, this.#take(endpoint, group));
        }
      }
    } catch (error) {
      for (const binding of fresh()) this.#give(endpoint, binding);
      for (const binding of going) this.#claim(endpoint, binding);
      throw error;
    }
    this.#set(endpoint, [...kept, ...fresh()]);
    return groups.flatMap((group) => taken.get(group)!);
  }

  async claim(endpoint: EndpointRecord): Promise<void> {
    for (const binding of endpoint.ports) this.#claim(endpoint, binding);
    this.#set(endpoint, endpoint.ports);
    await this.#hold(endpoint, endpoint.ports);
  }

  async release(endpoint: Pick<EndpointRecord, "id">): Promise<void> {
    const bindings = this.#bindings.get(endpoint.id);
    if (bindings === undefined) return;
    await this.#options.shim.holdPorts(endpoint.id, []);
    for (const binding of bindings) this.#give(endpoint, binding);
    this.#bindings.delete(endpoint.id);
  }

  #set(endpoint: EndpointRecord, bindings: readonly PortBinding[]): void {
    if (bindings.length > 0) this.#bindings.set(endpoint.id, bindings);
    else this.#bindings.delete(endpoint.id);
  }

  #take(endpoint: EndpointRecord, group: Group): PortBinding[] {
    const { protocol, containerPort, ips } = group;
    const hostPort = this.#options.allocator.take(endpoint.id, protocol, ips, group);
    return ips.map((hostIp) => ({ protocol, containerPort, hostIp, hostPort }));
  }

  async #hold(endpoint: EndpointRecord, bindings: readonly PortBinding[]): Promise<void> {
    const held = bindings.flatMap((binding) => heldPort(endpoint, binding, this.#options.proxyAll));
    await this.#options.shim.holdPorts(endpoint.id, held);
  }

  #claim({ id }: Pick<EndpointRecord, "id">, { protocol, hostIp, hostPort }: PortBinding): void {
    if (hostPort !== 0) this.#options.allocator.claim(id, protocol, hostIp, hostPort);
  }

  #give({ id }: Pick<EndpointRecord, "id">, { protocol, hostIp, hostPort }: PortBinding): void {
    if (hostPort !== 0) this.#options.allocator.give(id, protocol, hostIp, hostPort);
  }
}

/** The kernel cannot send to a container what comes to `::1`, nor turn IPv6 into IPv4. */
function needsProxy(hostIp: string, six: string | undefined): boolean {
  return isSix(hostIp) && (six === undefined || hostIp === "::" || hostIp === "::1");
}

/** None for a port that is open at the container's own address only. */
function heldPort(endpoint: EndpointRecord, binding: PortBinding, proxyAll: Families): HeldPort[] {
  const { protocol, hostIp, hostPort, containerPort } = binding;
  if (hostPort === 0) return [];
  const [four, six] = [addressOf(endpoint.ipv4), addressOf(endpoint.ipv6)];
  const ip = isSix(hostIp) ? (six ?? four) : four;
  const to =
    ip !== undefined && (proxyAll[isSix(hostIp) ? "six" : "four"] || needsProxy(hostIp, six))
      ? { to: { ip, port: containerPort } }
      : {};
  return [{ protocol, hostIp, hostPort, ...to }];
}

/** The one whose port another program has, if it may have another. */
function groupInTheWay(error: Error, taken: ReadonlyMap<Group, PortBinding[]>): Group | undefined {
  if (!(error instanceof EngineError) || !error.message.includes("address already in use")) return undefined;
  const [, port, protocol] = /:(\d+)\/(\w+): /.exec(error.message) ?? [];
  for (const [group, bindings] of taken) {
    const exact = group.start !== 0 && group.start === group.end;
    const its = bindings.some(({ hostPort }) => hostPort === Number(port));
    if (!exact && its && group.protocol === protocol) return group;
  }
  return undefined;
}
