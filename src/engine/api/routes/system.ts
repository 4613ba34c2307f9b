/** version, info, events, df, auth. */
import { EngineError } from "../../errors.ts";
import type { EngineEvent } from "../../event/types.ts";
import type { RegistryAuth } from "../../image/types.ts";
import type { ContainerSummary, Engine, Volume } from "../../services.ts";
import { type Call, json, type Route, streaming } from "../call.ts";
import { authRequest } from "../json/requests.ts";
import { ByteQueue } from "../queue.ts";

/** A client that leaves this much unread has stopped reading. */
const MAX_UNREAD_EVENTS = 8 * 1024 * 1024;

const version = (_: Call, engine: Engine) => json(engine.system.version());

async function info(call: Call, engine: Engine): Promise<Response> {
  const answer = { ...(await engine.system.info()) } as Record<string, unknown>;
  if (call.before("1.44")) {
    // The status came with 1.44.
    const runtimes = answer.Runtimes as Record<string, { status?: object }>;
    answer.Runtimes = Object.fromEntries(
      Object.entries(runtimes).map(([name, { status: _, ...runtime }]) => [name, runtime]),
    );
  }
  if (call.before("1.46")) delete answer.Containerd;
  if (call.before("1.47")) {
    answer.RegistryConfig = {
      AllowNondistributableArtifactsCIDRs: null,
      AllowNondistributableArtifactsHostnames: null,
      ...(answer.RegistryConfig as object),
    };
  }
  if (call.before("1.49")) {
    delete answer.FirewallBackend;
    for (const name of ["ContainerdCommit", "RuncCommit", "InitCommit"]) {
      const commit = answer[name] as { ID: string };
      answer[name] = { ...commit, Expected: commit.ID };
    }
  }
  if (call.before("1.50")) {
    answer.BridgeNfIptables = false;
    answer.BridgeNfIp6tables = false;
  }
  return json(answer);
}

function events(call: Call, { events: bus }: Engine): Response {
  const since = call.query.time("since", "'since'");
  const until = call.query.time("until", "'until'");
  if (until !== undefined && until < (since ?? until)) {
    throw new EngineError(
      "invalid",
      `\`since\` time (${call.query.text("since")}) cannot be after \`until\` time (${call.query.text("until")})`,
    );
  }
  const filters = call.query.filters();
  const legacy = call.before("1.52");
  const separator = call.headers.get("accept") === "application/json-seq" ? "\u001e" : "";
  const write = (event: EngineEvent) => {
    // Creating an image by loading or pulling was not an event before.
    if (call.before("1.46") && event.Type === "image" && event.Action === "create") return;
    queue.push(`${separator}${eventLine(event, legacy)}\n`);
  };

  const queue = new ByteQueue(MAX_UNREAD_EVENTS);
  for (const event of bus.past({ filters, since, until })) write(event);
  const left = until === undefined ? undefined : Number(until / 1_000_000n) - Date.now();
  if (left !== undefined && left <= 0) {
    queue.end();
  } else {
    const stop = bus.subscribe(write, filters);
    const timer = left === undefined ? undefined : setTimeout(() => queue.end(), Math.min(left, 2 ** 31 - 1));
    call.signal.addEventListener("abort", () => queue.end(), { once: true });
    queue.onEnd(() => {
      stop();
      clearTimeout(timer);
    });
  }
  return streaming(queue, { "content-type": eventsType(call) });
}

const STREAM_TYPES = ["application/jsonl", "application/x-ndjson", "application/json-seq"];

function eventsType(call: Call): string {
  const accepted = (call.headers.get("accept") ?? "").split(",").map((type) => type.split(";", 1)[0]!.trim());
  return (
    accepted.find((type) => STREAM_TYPES.includes(type)) ??
    (call.before("1.52") ? "application/json" : "application/jsonl")
  );
}

/** One event; clients before API 1.52 find the container's or image's name at the top too. */
export function eventLine({ timeNano, ...event }: EngineEvent, legacy: boolean): string {
  const { Type, Action, Actor } = event;
  const old: Record<string, unknown> = {};
  if (legacy && (Type === "container" || Type === "image")) {
    old.status = Action;
    old.id = Actor.ID;
    if (Type === "container") old.from = Actor.Attributes.image ?? "";
  }
  const line = JSON.stringify({
    ...old,
    Type,
    Action,
    Actor,
    scope: event.scope,
    time: Number(timeNano / 1_000_000_000n),
  });
  // A number of JavaScript has not enough digits for nanoseconds.
  return `${line.slice(0, -1)},"timeNano":${timeNano}}`;
}

async function login(call: Call, engine: Engine): Promise<Response> {
  const { auth: _, ...credentials } = await call.json<RegistryAuth & { auth?: string }>(authRequest, {
    required: true,
  });
  await engine.images.login(credentials, call.signal);
  return json({ Status: "Login Succeeded" });
}

const KINDS = ["container", "image", "volume", "build-cache"];

async function diskUsage(call: Call, engine: Engine): Promise<Response> {
  const asked = call.before("1.42") ? [] : call.query.all("type");
  for (const kind of asked) {
    if (!KINDS.includes(kind)) throw new EngineError("invalid", `unknown object type: ${kind}`);
  }
  const wants = (kind: string) => asked.length === 0 || asked.includes(kind);
  const images = wants("image") ? engine.images.diskUsage() : undefined;
  const containers = wants("container")
    ? await engine.containers.list({ all: true, size: true, limit: 0, filters: {} })
    : undefined;
  const volumes = wants("volume") ? await engine.volumes.diskUsage() : undefined;

  const verbose = !call.before("1.52") && call.query.flag("verbose");
  const legacy: Record<string, unknown> = {};
  if (!verbose) {
    if (images) {
      legacy.LayersSize = images.LayersSize;
      legacy.Images = call.before("1.44")
        ? images.Images.map((image) => ({ ...image, VirtualSize: image.Size }))
        : images.Images;
    }
    if (containers) legacy.Containers = containers;
    if (volumes) legacy.Volumes = volumes;
    if (wants("build-cache")) legacy.BuildCache = [];
  }
  if (call.before("1.52")) return json(legacy);
  return json({
    ...legacy,
    ...(images && {
      ImageUsage: usage(images.Images, {
        total: images.LayersSize,
        active: images.Images.filter((image) => image.Containers > 0).length,
        reclaimable:
          images.LayersSize -
          sum(images.Images.filter((image) => image.Containers > 0).map((image) => image.Size)),
      }),
    }),
    ...(containers && { ContainerUsage: containerUsage(containers) }),
    ...(volumes && { VolumeUsage: volumeUsage(volumes) }),
    ...(wants("build-cache") && { BuildCacheUsage: {} }),
  });
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

function containerUsage(containers: ContainerSummary[]): object {
  const idle = containers.filter(
    ({ State }) => State !== "running" && State !== "paused" && State !== "restarting",
  );
  return usage(containers, {
    total: sum(containers.map(({ SizeRw }) => SizeRw ?? 0)),
    active: containers.length - idle.length,
    reclaimable: sum(idle.map(({ SizeRw }) => SizeRw ?? 0)),
  });
}

function volumeUsage(volumes: Volume[]): object {
  const unused = volumes.filter(({ UsageData }) => UsageData?.RefCount === 0);
  return usage(volumes, {
    total: sum(volumes.map(({ UsageData }) => UsageData?.Size ?? 0)),
    active: volumes.length - unused.length,
    reclaimable: sum(unused.map(({ UsageData }) => UsageData?.Size ?? 0)),
  });
}

/** Fields that are zero are left out, as Go's `omitempty` does. */
function usage(
  items: object[],
  { total, active, reclaimable }: { total: number; active: number; reclaimable: number },
): object {
  const all = {
    ActiveCount: active,
    Items: items.length > 0 ? items : 0,
    Reclaimable: Math.max(reclaimable, 0),
    TotalCount: items.length,
    TotalSize: total,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== 0));
}

export const systemRoutes: Route[] = [
  { method: "GET", path: "/version", handler: version },
  { method: "GET", path: "/info", handler: info },
  { method: "POST", path: "/auth", handler: login },
  { method: "GET", path: "/events", handler: events },
  { method: "GET", path: "/system/df", handler: diskUsage },
];
