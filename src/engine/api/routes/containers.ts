/** The life of a container: create, list, inspect, start, stop, …, remove. */
import type { CreateBody } from "../../container/config.ts";
import { EngineError } from "../../errors.ts";
import { reasonOf } from "../../reason.ts";
import type {
  ContainerInspect,
  ContainerSummary,
  Engine,
  NetworkSettings,
  WaitCondition,
  WaitResult,
} from "../../services.ts";
import { type Call, empty, json, type Route, streaming } from "../call.ts";
import { prepareCreate } from "../create.ts";
import { updateRequest } from "../json/requests.ts";
import { ORDER_HEADER } from "../order.ts";

async function create(call: Call, engine: Engine): Promise<Response> {
  const { body, warnings } = await prepareCreate(call, engine);
  const name = call.query.text("name") || undefined;
  const platform = call.before("1.41") ? undefined : call.query.text("platform") || undefined;
  const { Id, Warnings } = await engine.containers.create({ name, platform, body });
  return json({ Id, Warnings: [...Warnings, ...warnings] }, 201, { [ORDER_HEADER]: "kept" });
}

async function list(call: Call, engine: Engine): Promise<Response> {
  const filters = call.query.filters();
  const limit = call.query.int("limit") ?? 0;
  const containers = await engine.containers.list({
    all: call.query.flag("all"),
    size: call.query.flag("size"),
    limit,
    filters,
  });
  return json(containers.map((container) => adaptSummary(call, container)));
}

function adaptSummary(call: Call, container: ContainerSummary): ContainerSummary {
  if (!call.before("1.52")) return container;
  const { Health: _, ...summary } = container;
  if (call.before("1.46")) summary.HostConfig = { NetworkMode: summary.HostConfig.NetworkMode };
  if (call.before("1.48")) delete summary.ImageManifestDescriptor;
  return summary;
}

async function inspect(call: Call, engine: Engine): Promise<Response> {
  return json(
    adaptInspect(call, await engine.containers.inspect(call.name, { size: call.query.flag("size") })),
  );
}

function adaptInspect(call: Call, container: ContainerInspect): object {
  if (!call.before("1.52")) return container;
  const { Storage, ...older } = container;
  if (call.before("1.48")) delete older.ImageManifestDescriptor;
  older.NetworkSettings = adaptNetworks(call, older);
  // What holds the root file system was called a graph driver.
  return { ...older, GraphDriver: { Name: Storage?.RootFS?.Snapshot?.Name ?? "overlayfs", Data: null } };
}

/** Those of the default bridge were shown beside the list of networks, too. */
const BRIDGE_FIELDS = [
  "EndpointID",
  "Gateway",
  "GlobalIPv6Address",
  "GlobalIPv6PrefixLen",
  "IPAddress",
  "IPPrefixLen",
  "IPv6Gateway",
  "MacAddress",
] as const;
const PREDEFINED = ["bridge", "host", "none"];

function adaptNetworks(call: Call, { Id, Config, NetworkSettings }: ContainerInspect): NetworkSettings {
  const networks = Object.entries(NetworkSettings.Networks).map(([name, endpoint]) => {
    if (!call.before("1.45") || PREDEFINED.includes(name)) return [name, endpoint] as const;
    // Names that every container has in its network were shown as aliases.
    const aliases = new Set([...(endpoint.Aliases ?? []), Id.slice(0, 12), Config.Hostname]);
    return [name, { ...endpoint, Aliases: [...aliases] }] as const;
  });
  const { bridge } = NetworkSettings.Networks;
  return {
    ...NetworkSettings,
    Networks: Object.fromEntries(networks),
    ...(bridge && Object.fromEntries(BRIDGE_FIELDS.map((field) => [field, bridge[field]]))),
  };
}

async function start(call: Call, engine: Engine): Promise<Response> {
  const length = call.headers.get("content-length");
  if (call.headers.has("transfer-encoding") || Number(length ?? 0) > 7) {
    throw new EngineError(
      "invalid",
      "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
    );
  }
  if (call.query.text("checkpoint")) throw new EngineError("notImplemented", "checkpoint is not supported");
  await engine.containers.start(call.name);
  return empty(204);
}

function stopOptions(call: Call): { signal?: string; timeout?: number } {
  const signal = call.before("1.42") ? "" : call.query.text("signal");
  return { signal: signal || undefined, timeout: call.query.int("t") };
}

async function stop(call: Call, engine: Engine): Promise<Response> {
  await engine.containers.stop(call.name, stopOptions(call));
  return empty(204);
}

async function restart(call: Call, engine: Engine): Promise<Response> {
  await engine.containers.restart(call.name, stopOptions(call));
  return empty(204);
}

async function kill(call: Call, engine: Engine): Promise<Response> {
  try {
    await engine.containers.kill(call.name, call.query.text("signal"));
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : "internal";
    throw new EngineError(kind, `cannot kill container: ${call.name}: ${reasonOf(error)}`, { cause: error });
  }
  return empty(204);
}

async function pause(call: Call, engine: Engine): Promise<Response> {
  await engine.containers.pause(call.name);
  return empty(204);
}

async function unpause(call: Call, engine: Engine): Promise<Response> {
  await engine.containers.unpause(call.name);
  return empty(204);
}

async function rename(call: Call, engine: Engine): Promise<Response> {
  await engine.containers.rename(call.name, call.query.text("name"));
  return empty(204);
}

async function remove(call: Call, engine: Engine): Promise<Response> {
  const { query } = call;
  // A link of the old kind has its container's name before its own.
  const name = call.params.alias === undefined ? call.name : `${call.name}/${call.params.alias}`;
  await engine.containers.remove(name, {
    force: query.flag("force"),
    volumes: query.flag("v"),
    link: query.flag("link"),
  });
  return empty(204);
}

async function resize(call: Call, engine: Engine): Promise<Response> {
  const rows = call.query.cells("h");
  const cols = call.query.cells("w");
  await engine.containers.resize(call.name, { cols, rows });
  return empty(200);
}

const CONDITIONS: readonly string[] = ["not-running", "next-exit", "removed"] satisfies WaitCondition[];

async function wait(call: Call, engine: Engine): Promise<Response> {
  // Before 1.30 there was no condition, and no headers until the end.
  const early = !call.before("1.30");
  const condition = (early && call.query.text("condition")) || "not-running";
  if (!CONDITIONS.includes(condition))
    throw new EngineError("invalid", `invalid condition: ${JSON.stringify(condition)}`);
  const { result } = await engine.containers.wait(call.name, condition as WaitCondition, call.signal);
  if (!early) return json(await result);
  if (condition === "removed" && call.before("1.34")) {
    // A removal that failed could only be told by an answer without content.
    return streaming(waitedWithoutError(result), { "content-type": "application/json" });
  }
  return streaming(waited(result), { "content-type": "application/json" });
}

async function* waited(result: Promise<WaitResult>): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(`${JSON.stringify(await result)}\n`);
}

async function* waitedWithoutError(result: Promise<WaitResult>): AsyncGenerator<Uint8Array> {
  if ((await result).Error === undefined) yield* waited(result);
}

async function top(call: Call, engine: Engine): Promise<Response> {
  const words = call.query.text("ps_args").split(/\s+/).filter(Boolean);
  const { Processes, Titles } = await engine.containers.top(call.name, words, call.signal);
  return json({ Processes, Titles });
}

async function update(call: Call, engine: Engine): Promise<Response> {
  const limits = await call.json<NonNullable<CreateBody["HostConfig"]>>(updateRequest, { required: true });
  if (call.before("1.40")) delete limits.PidsLimit;
  if (call.before("1.55")) for (const field of DEVICE_LIMITS) delete limits[field];
  return json(await engine.containers.update(call.name, limits));
}

/** Were ignored by an update. */
const DEVICE_LIMITS = [
  "BlkioWeightDevice",
  "BlkioDeviceReadBps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteIOps",
] as const;

async function changes(call: Call, engine: Engine): Promise<Response> {
  return json(await engine.containers.changes(call.name, call.signal));
}

async function prune(call: Call, engine: Engine): Promise<Response> {
  return json(await engine.containers.prune(call.query.filters()));
}

export const containerRoutes: Route[] = [
  { method: "POST", path: "/containers/create", handler: create },
  { method: "POST", path: "/containers/prune", handler: prune },
  { method: "GET", path: "/containers/json", handler: list },
  { method: "GET", path: "/containers/:name/json", handler: inspect },
  { method: "GET", path: "/containers/:name/top", handler: top },
  { method: "GET", path: "/containers/:name/changes", handler: changes },
  { method: "POST", path: "/containers/:name/start", handler: start },
  { method: "POST", path: "/containers/:name/stop", handler: stop },
  { method: "POST", path: "/containers/:name/restart", handler: restart },
  { method: "POST", path: "/containers/:name/kill", handler: kill },
  { method: "POST", path: "/containers/:name/pause", handler: pause },
  { method: "POST", path: "/containers/:name/unpause", handler: unpause },
  { method: "POST", path: "/containers/:name/update", handler: update },
  { method: "POST", path: "/containers/:name/rename", handler: rename },
  { method: "POST", path: "/containers/:name/resize", handler: resize },
  { method: "POST", path: "/containers/:name/wait", handler: wait },
  { method: "DELETE", path: "/containers/:name", handler: remove },
  { method: "DELETE", path: "/containers/:name/:alias", handler: remove },
];
