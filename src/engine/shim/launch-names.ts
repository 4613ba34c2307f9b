/**
 * What launches of the same kind differ in: the container's id and what begins with it (its host name, its files), the
 * folder of its layer, and the ports at which its names are asked for.
 */
import type { KeeperPaths } from "./compile.ts";
import { JsonText, type ReceivedLaunch } from "./protocol.ts";
import type { Rootfs } from "./types.ts";

/** All that a container's plan is made from. */
export interface Launch {
  request: ReceivedLaunch;
  paths: KeeperPaths;
  /** The command waits for its start. */
  held: boolean;
  /** The stage is given its network namespace. */
  bareNetwork: boolean;
}

export interface LaunchNames {
  id: string;
  /** Empty where none is to be told apart. */
  layer: string;
  /** 0: none. */
  udp: number;
  tcp: number;
}

const ID = /^[0-9a-f]{64}$/;
/** Whoever names a container by its id uses no less of it. */
export const SHORTEST_ID = 12;
const PLAIN = /^[\w.-]+$/;
/** In no JSON text. What follows is how much of the id was there. */
const MARK = "\x01";

/** Undefined for one that is not to be told by its names. */
export function namesOf({ request: { id, spec, rootfs, names } }: Launch): LaunchNames | undefined {
  const layer = layerOf(rootfs);
  // Nobody has parsed the specification yet.
  if (!ID.test(id) || spec.text.includes(MARK)) return undefined;
  // Equal texts share a place in a plan; under another name they would not be equal.
  if (layer !== undefined && spec.text.includes(layer.folder + layer.name)) return undefined;
  return { id, layer: layer?.name ?? "", udp: names?.udp ?? 0, tcp: names?.tcp ?? 0 };
}

/** Equal for two launches, and only then, when each is the other under other names of the same length. */
export function kindOf({ request, paths, held, bareNetwork }: Launch): string {
  const { id, attempt, log, spec, rootfs, names, ...rest } = request;
  const layer = layerOf(rootfs);
  const root =
    layer === undefined ? rootfs : { ...rootfs, ...underName(layer, ""), length: layer.name.length };
  // Both are JSON of one line.
  return withoutId(
    `${spec.text}\n${JSON.stringify([rest, root, names !== undefined, paths, held, bareNetwork])}`,
    id,
  );
}

/** As it would have been under these names. */
export function renamed({ request, paths, ...launch }: Launch, names: LaunchNames): Launch {
  const { spec, ...rest } = request;
  const other = (text: string): string => withId(withoutId(text, request.id), names.id);
  const made: ReceivedLaunch = {
    ...JSON.parse(other(JSON.stringify(rest))),
    spec: new JsonText(other(spec.text)),
  };
  const layer = layerOf(made.rootfs);
  if (layer !== undefined) Object.assign(made.rootfs, underName(layer, names.layer));
  if (made.names !== undefined) made.names = { udp: names.udp, tcp: names.tcp };
  return { request: made, paths: JSON.parse(other(JSON.stringify(paths))), ...launch };
}

/** Made up, of the same lengths; the two differ in every byte. */
export function otherNames({ layer }: LaunchNames): [LaunchNames, LaunchNames] {
  const random = crypto.getRandomValues(new Uint8Array(64 + layer.length));
  const one = { id: "", layer: "", udp: 0x4142, tcp: 0x4344 };
  const two = { id: "", layer: "", udp: 0x5152, tcp: 0x5354 };
  for (const [n, byte] of random.entries()) {
    if (n < 64) {
      one.id += (byte & 15).toString(16);
      two.id += ((byte & 15) ^ 8).toString(16);
    } else {
      const letter = byte % 13;
      one.layer += String.fromCharCode(0x61 + letter);
      two.layer += String.fromCharCode(0x6e + letter);
    }
  }
  return [one, two];
}

interface Layer {
  folder: string;
  name: string;
  upper: string;
  work: string;
}

/** Both are in one folder, which is the layer's own. */
function layerOf(rootfs: Rootfs): Layer | undefined {
  if (rootfs.kind !== "overlay") return undefined;
  const { upper, work } = rootfs;
  const end = upper.lastIndexOf("/");
  const begin = upper.lastIndexOf("/", end - 1) + 1;
  const name = upper.slice(begin, end);
  if (begin <= 0 || !PLAIN.test(name) || !work.startsWith(upper.slice(0, end + 1))) return undefined;
  return { folder: upper.slice(0, begin), name, upper: upper.slice(end), work: work.slice(end) };
}

const underName = ({ folder, upper, work }: Layer, name: string) => ({
  upper: folder + name + upper,
  work: folder + name + work,
});

/** With marks in place of the id, and of what it begins with. Nothing of the text is lost: see `withId`. */
export function withoutId(text: string, id: string): string {
  const whole = text.replaceAll(id, MARK + String.fromCharCode(id.length));
  const prefix = id.slice(0, SHORTEST_ID);
  let out = "";
  let from = 0;
  for (let at = whole.indexOf(prefix); at >= 0; at = whole.indexOf(prefix, from)) {
    let length = SHORTEST_ID;
    while (length < id.length && whole[at + length] === id[length]) length++;
    out += whole.slice(from, at) + MARK + String.fromCharCode(length);
    from = at + length;
  }
  return out + whole.slice(from);
}

export function withId(text: string, id: string): string {
  const [first = "", ...parts] = text.split(MARK);
  return first + parts.map((part) => id.slice(0, part.charCodeAt(0)) + part.slice(1)).join("");
}
