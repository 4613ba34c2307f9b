/**
 * Who is called what, in which network, and who may ask. Docker's rules: a name is looked for in the asker's networks
 * one after the other; the first that has it answers. Names are the same in either case of letters.
 */
import { addressBytes } from "../../../ffi/netlink/ip.ts";
import type { EndpointNames, SandboxNames } from "../types.ts";

export type Family = 4 | 6;

interface Endpoint {
  names: EndpointNames;
  /** Addresses of each family, as bytes. */
  four: Uint8Array[];
  six: Uint8Array[];
}

interface Network {
  /** Lower case. */
  name: string;
  byName: Map<string, Endpoint[]>;
  /** By the name that a reverse look-up asks for. */
  byReverse: Map<string, Endpoint>;
}

export class Directory {
  readonly #sandboxes = new Map<string, SandboxNames>();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #networks = new Map<string, Network>();
  /** Another start in every answer, so that askers spread over what is behind a name. */
  #turn = 0;

  sandbox(id: string): SandboxNames | undefined {
    return this.#sandboxes.get(id);
  }

  get sandboxes(): IterableIterator<string> {
    return this.#sandboxes.keys();
  }

  get endpoints(): IterableIterator<string> {
    return this.#endpoints.keys();
  }

  putSandbox(sandbox: SandboxNames): void {
    this.#sandboxes.set(sandbox.id, sandbox);
  }

  removeSandbox(id: string): void {
    this.#sandboxes.delete(id);
  }

  /** @throws RangeError for an address that is none */
  putEndpoint(names: EndpointNames): void {
    const addresses = names.addresses.map((address) => addressBytes(address.split("/")[0]!));
    this.removeEndpoint(names.id);
    const endpoint: Endpoint = {
      names,
      four: addresses.filter(({ length }) => length === 4),
      six: addresses.filter(({ length }) => length === 16),
    };
    const network = this.#network(names);
    this.#endpoints.set(names.id, endpoint);
    for (const name of new Set(names.names.map(fold))) {
      const named = network.byName.get(name);
      if (named === undefined) network.byName.set(name, [endpoint]);
      else named.push(endpoint);
    }
    for (const address of addresses) network.byReverse.set(reverseName(address), endpoint);
  }

  removeEndpoint(id: string): void {
    const endpoint = this.#endpoints.get(id);
    if (endpoint === undefined) return;
    this.#endpoints.delete(id);
    const { network: networkId, names } = endpoint.names;
    const network = this.#networks.get(networkId)!;
    for (const name of new Set(names.map(fold))) {
      const left = network.byName.get(name)!.filter((other) => other !== endpoint);
      if (left.length > 0) network.byName.set(name, left);
      else network.byName.delete(name);
    }
    for (const address of [...endpoint.four, ...endpoint.six]) {
      const reverse = reverseName(address);
      if (network.byReverse.get(reverse) === endpoint) network.byReverse.delete(reverse);
    }
    if (network.byName.size === 0 && network.byReverse.size === 0) this.#networks.delete(networkId);
  }

  /**
   * Addresses of a name without its final dot, in lower case, each time in another order. Empty: it is somebody's, who
   * has no address of the family. Undefined: it is nobody's that this sandbox can see.
   */
  resolve(sandboxId: string, name: string, family: Family): Uint8Array[] | undefined {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined) return undefined;
    // `a.b.c` is a name, or `a.b` in network `c`, or `a` in network `b.c`: both may have dots.
    for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
      const own = end === name.length ? name : name.slice(0, end);
      const network = end === name.length ? undefined : name.slice(end + 1);
      const found = this.#link(sandbox, own, network) ?? this.#named(sandbox, own, network);
      if (found !== undefined) return this.#addresses(found, family);
    }
    return undefined;
  }

  /** The name for a reverse look-up's, both without final dots. */
  reverse(sandboxId: string, name: string): string | undefined {
    for (const id of this.#sandboxes.get(sandboxId)?.networks ?? []) {
      const endpoint = this.#networks.get(id)?.byReverse.get(name);
      if (endpoint !== undefined) return `${endpoint.names.names[0]}.${endpoint.names.networkName}`;
    }
    return undefined;
  }

  #network({ network: id, networkName }: EndpointNames): Network {
    let network = this.#networks.get(id);
    if (network === undefined) {
      network = { name: fold(networkName), byName: new Map(), byReverse: new Map() };
      this.#networks.set(id, network);
    }
    return network;
  }

  /** What the name means to this container alone. */
  #link({ links, networks }: SandboxNames, alias: string, inNetwork?: string): Endpoint[] | undefined {
    for (const [name, container] of Object.entries(links)) {
      if (fold(name) !== alias) continue;
      for (const id of networks) {
        const network = this.#networks.get(id);
        if (network === undefined || (inNetwork !== undefined && network.name !== inNetwork)) continue;
        const found = [...network.byReverse.values()].filter(({ names }) => names.container === container);
        if (found.length > 0) return [...new Set(found)];
      }
    }
    return undefined;
  }

  #named({ networks }: SandboxNames, name: string, inNetwork?: string): Endpoint[] | undefined {
    for (const id of networks) {
      const network = this.#networks.get(id);
      if (network === undefined || (inNetwork !== undefined && network.name !== inNetwork)) continue;
      const found = network.byName.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #addresses(endpoints: readonly Endpoint[], family: Family): Uint8Array[] {
    const of = family === 4 ? "four" : "six";
    if (endpoints.length === 1) return endpoints[0]![of];
    const all = endpoints.flatMap((endpoint) => endpoint[of]);
    const start = this.#turn++ % Math.max(all.length, 1);
    return [...all.slice(start), ...all.slice(0, start)];
  }
}

const fold = (name: string): string => name.toLowerCase();

/** `2.0.18.172.in-addr.arpa`, or the 32 hex digits from the last to the first in `ip6.arpa`. */
export function reverseName(address: Uint8Array): string {
  const backwards = [...address].reverse();
  if (address.length === 4) return `${backwards.join(".")}.in-addr.arpa`;
  return `${backwards.map((byte) => `${(byte & 15).toString(16)}.${(byte >> 4).toString(16)}`).join(".")}.ip6.arpa`;
}
