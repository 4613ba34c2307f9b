/** An encoded plan with the places at which the container's names are in it. */
import { type LaunchNames, SHORTEST_ID } from "./launch-names.ts";

interface Place {
  at: number;
  name: keyof LaunchNames;
  /** So much of its beginning. */
  length: number;
}

export class PlanTemplate {
  readonly #bytes: Uint8Array;
  readonly #places: readonly Place[];

  constructor(bytes: Uint8Array, places: readonly Place[]) {
    this.#bytes = bytes;
    this.#places = places;
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** The plan under these names, until the next call: there is only one copy. */
  fill(names: LaunchNames): Uint8Array {
    const encoded = encodeNames(names);
    for (const { at, name, length } of this.#places) {
      const bytes = encoded[name];
      this.#bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), at);
    }
    return this.#bytes;
  }
}

export interface Sample {
  names: LaunchNames;
  plan: Uint8Array;
}

/** Of one plan under two names that differ in every byte. Undefined when the plans differ in anything else. */
export function templateOf(one: Sample, two: Sample): PlanTemplate | undefined {
  const [a, b] = [one.plan, two.plan];
  if (a.length !== b.length) return undefined;
  const names = [encodeNames(one.names), encodeNames(two.names)] as const;
  const places: Place[] = [];
  for (let at = 0; at < a.length; at++) {
    if (a[at] === b[at]) continue;
    const from = at;
    while (at < a.length && a[at] !== b[at]) at++;
    const parts = [a.subarray(from, at), b.subarray(from, at)] as const;
    const found = KINDS.filter((name) => parts.every((part, n) => isName(name, part, names[n]![name])));
    if (found.length !== 1) return undefined;
    places.push({ at: from, name: found[0]!, length: at - from });
  }
  return new PlanTemplate(a, places);
}

const KINDS = ["id", "layer", "udp", "tcp"] as const;

type Encoded = Record<keyof LaunchNames, Uint8Array>;

/** As they are in a plan: text, and a socket address's port. */
function encodeNames({ id, layer, udp, tcp }: LaunchNames): Encoded {
  return {
    id: Buffer.from(id, "latin1"),
    layer: Buffer.from(layer, "latin1"),
    udp: Uint8Array.of(udp >> 8, udp & 0xff),
    tcp: Uint8Array.of(tcp >> 8, tcp & 0xff),
  };
}

/** Of an id also its beginning. */
function isName(kind: keyof LaunchNames, part: Uint8Array, name: Uint8Array): boolean {
  const least = kind === "id" ? SHORTEST_ID : name.length;
  return part.length >= least && part.every((byte, n) => byte === name[n]);
}
