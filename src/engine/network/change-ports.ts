/**
 * What a container publishes changes: of one that runs, without restarting it. All of it, or nothing; connections through
 * a port that goes end.
 */
import type { HostConfig } from "../container/config.ts";
import type { Container } from "../container/container.ts";
import { isRunning } from "../container/state.ts";
import { EngineError } from "../errors.ts";
import { familyOf } from "./attach.ts";
import type { NetworkContext } from "./context.ts";
import { firewallView } from "./links.ts";
import { parsePort, publish, requestsOfBindings } from "./publish.ts";
import type { EndpointRecord, PortBinding } from "./types.ts";

type PortMap = HostConfig["PortBindings"];
type Asked = { HostIp?: string; HostPort?: string };

export interface PortChanges {
  add: PortMap;
  /**
   * By the container's ports; with nothing said, all of a port's bindings go. A port that is not one of the container's
   * is taken for one of the host: `9090` undoes `-p 9090:80`, too.
   */
  remove: PortMap;
}

/** The container's own row, which says what is asked for. */
export interface AskedPorts {
  /** Writes them: in the transaction that writes what the endpoints have, so that no crash comes between. */
  write(bindings: PortMap): void;
  /** Writes what was there before. */
  revert(): void;
}

const keyOf = (text: string): string => {
  const { port, protocol } = parsePort(text);
  return `${port}/${protocol}`;
};

/** Any port of the host will do. */
const isAny = (hostPort: string | undefined): boolean => !hostPort || Number(hostPort) === 0;

/** Whether an address and a port of the host are meant; what is not said means any. */
const means = ({ HostIp = "", HostPort = "" }: Asked, ip: string, port: string): boolean =>
  (HostIp === "" || HostIp === ip) && (HostPort === "" || HostPort === port);

/**
 * The bindings of the host configuration as they will be.
 * @param published what there is on the host now: a port that was given out can be named too
 * @throws EngineError invalid for a port that is not published, conflict for one that is
 */
export function plan(
  current: PortMap,
  { add, remove }: PortChanges,
  published: readonly PortBinding[],
): PortMap {
  const next = new Map(Object.entries(current).map(([key, list]) => [keyOf(key), list ?? []]));
  for (const [text, meant] of Object.entries(remove)) {
    const key = keyOf(text);
    for (const one of meant?.length ? meant : [{}])
      next.set(key, without(next.get(key), key, one, published));
    if (next.get(key)!.length === 0) next.delete(key);
  }
  for (const [text, list] of Object.entries(add)) {
    const key = keyOf(text);
    const has = next.get(key) ?? [];
    const fresh = list?.length ? list : [{ HostIp: "", HostPort: "" }];
    for (const { HostIp, HostPort } of fresh) {
      if (
        !isAny(HostPort) &&
        has.some((one) => one.HostPort === HostPort && (one.HostIp ?? "") === (HostIp ?? ""))
      ) {
        throw new EngineError("conflict", `port ${HostPort}:${key} is already published`);
      }
    }
    next.set(key, [...has, ...fresh]);
  }
  return Object.fromEntries(next);
}

/** Lone ports that only the host has, by the container's. */
export function byContainerPort(
  { add, remove }: PortChanges,
  current: PortMap,
  published: readonly PortBinding[],
): PortChanges {
  const own = new Set(Object.keys(current).map(keyOf));
  const meant = Object.entries(remove).flatMap(([text, list]): [string, PortMap[string]][] => {
    const key = keyOf(text);
    const alone = !list?.some(({ HostIp, HostPort }) => HostIp || HostPort);
    const of = published.find(({ hostPort, protocol }) => `${hostPort}/${protocol}` === key);
    const asked = Object.entries(current).find(
      ([port, bindings]) =>
        keyOf(port).split("/")[1] === key.split("/")[1] &&
        bindings?.some(({ HostPort }) => HostPort === key.split("/")[0]),
    );
    const target = of ? bindingKey(of) : asked && keyOf(asked[0]);
    if (own.has(key) || !alone || target === undefined) return [[text, list]];
    return [[target, [{ HostIp: "", HostPort: key.split("/")[0]! }]]];
  });
  const merged: PortMap = {};
  for (const [key, list] of meant) {
    const before = merged[key];
    // None named means all of them.
    merged[key] = !list?.length || before?.length === 0 ? [] : [...(before ?? []), ...list];
  }
  return { add, remove: merged };
}

function without(
  list: NonNullable<PortMap[string]> | undefined,
  key: string,
  meant: Asked,
  published: readonly PortBinding[],
): NonNullable<PortMap[string]> {
  const given = published.some((binding) => bindingKey(binding) === key && isMeant(meant, binding));
  const stays = (list ?? []).filter(({ HostIp, HostPort }) => {
    if (means(meant, HostIp ?? "", HostPort ?? "")) return false;
    // It asked for any port, or one of a range, and got the one that is meant.
    const any = isAny(HostPort) || HostPort!.includes("-");
    return !(any && given && means({ HostIp: meant.HostIp ?? "" }, HostIp ?? "", ""));
  });
  if (list !== undefined && stays.length < list.length) return stays;
  const where = [meant.HostIp, meant.HostPort].filter(Boolean).join(":");
  throw new EngineError("invalid", `port ${where === "" ? "" : `${where}:`}${key} is not published`);
}

const bindingKey = ({ containerPort, protocol }: PortBinding): string => `${containerPort}/${protocol}`;

const isMeant = (meant: Asked, { hostIp, hostPort }: PortBinding): boolean =>
  means(meant, hostIp, String(hostPort));

/** What of an endpoint's goes. */
const goes = ({ remove }: PortChanges, binding: PortBinding): boolean =>
  Object.entries(remove).some(
    ([text, meant]) =>
      keyOf(text) === bindingKey(binding) &&
      (meant?.length ? meant : [{}]).some((one) => isMeant(one, binding)),
  );

/** @throws EngineError when nothing has changed, nor been written */
export async function changePorts(
  ctx: NetworkContext,
  container: Container,
  asked: PortChanges,
  row: AskedPorts,
): Promise<void> {
  refuseOthers(container);
  const before = ctx.store.of(container.id);
  const published = before.flatMap(({ ports }) => ports);
  const current = container.record.hostConfig.PortBindings;
  const changes = byContainerPort(asked, current, published);
  const bindings = plan(current, changes, published);
  if (!isRunning(container.state)) return row.write(bindings);
  const requests = requestsOfBindings(changes.add);
  const after: EndpointRecord[] = [];
  try {
    for (const endpoint of before) {
      const family = familyOf(endpoint, before);
      if (!family.four && !family.six) continue;
      const kept = endpoint.ports.filter((binding) => !goes(changes, binding));
      const fresh = await publish(ctx, container, endpoint, requests, family, kept);
      after.push({ ...endpoint, ports: [...kept, ...fresh] });
    }
    if (requests.length > 0 && !after.some(({ ports }) => ports.length > 0)) {
      throw new EngineError("conflict", "none of its networks publishes ports");
    }
    await apply(ctx, container, after, () => row.write(bindings));
  } catch (error) {
    await restorePorts(ctx, container, { before, after }, row);
    throw error;
  }
}

/** Those that share another's ports have none of their own. */
function refuseOthers({ record }: Container): void {
  const { NetworkMode } = record.hostConfig;
  const type = NetworkMode === "host" || NetworkMode === "none" ? NetworkMode : "container";
  if (type !== "container" || NetworkMode.startsWith("container:")) {
    throw new EngineError(
      "conflict",
      `conflicting options: port publishing and the ${type} type network mode`,
    );
  }
}

/** The rows first, with what `also` writes; then packets. */
async function apply(
  ctx: NetworkContext,
  container: Container,
  endpoints: readonly EndpointRecord[],
  also: () => void,
): Promise<void> {
  // It may have ended meanwhile, and its rows with it.
  const there = new Set(ctx.store.of(container.id).map(({ id }) => id));
  const alive = endpoints.filter(({ id }) => there.has(id));
  for (const endpoint of endpoints) if (!there.has(endpoint.id)) await ctx.ports.release(endpoint);
  ctx.store.putWith(alive, also);
  for (const endpoint of alive) {
    if (ctx.store.network(endpoint.network)?.driver === "bridge") {
      await ctx.firewall.putEndpoint(firewallView(ctx, container, endpoint));
    }
  }
}

/** As it was, as far as nobody has taken a port meanwhile. */
async function restorePorts(
  ctx: NetworkContext,
  container: Container,
  { before, after }: { before: readonly EndpointRecord[]; after: readonly EndpointRecord[] },
  row: AskedPorts,
): Promise<void> {
  const changed = before.filter(({ id }) => after.some((endpoint) => endpoint.id === id));
  try {
    for (const endpoint of changed) {
      await ctx.ports.publish(endpoint, [], { four: true, six: true }, endpoint.ports);
    }
    await apply(ctx, container, changed, row.revert);
  } catch (error) {
    ctx.warn(`ports of container ${container.id}: ${(error as Error).message}`);
  }
}
