/** What flows out of containers and into them: logs, files, and attach for clients that ask for no upgrade. */
import { EngineError } from "../../errors.ts";
import type { ContainerStats, Engine, PathStat } from "../../services.ts";
import { MULTIPLEXED_STREAM, openAttach, outputOf, RAW_STREAM } from "../attach.ts";
import { type Call, empty, json, type Route, streaming } from "../call.ts";

async function logs(call: Call, engine: Engine): Promise<Response> {
  const { query } = call;
  const stdout = query.flag("stdout");
  const stderr = query.flag("stderr");
  if (!stdout && !stderr)
    throw new EngineError("invalid", "must specify at least one of 'stdout' or 'stderr'");
  const since = query.time("since", '"since"');
  const until = query.text("until") === "0" ? undefined : query.time("until", '"until"');
  const { tty, content } = await engine.containers.logs(call.name, {
    stdout,
    stderr,
    since,
    until,
    tail: tailLines(query.text("tail")),
    follow: query.flag("follow"),
    timestamps: query.flag("timestamps"),
    details: query.flag("details"),
    signal: call.signal,
  });
  return streaming(content, { "content-type": tty || call.before("1.42") ? RAW_STREAM : MULTIPLEXED_STREAM });
}

/** As Docker: what is no number, or negative, means all. */
function tailLines(text: string): number {
  return /^\+?[0-9]+$/.test(text) ? Number(text) : -1;
}

async function stats(call: Call, engine: Engine): Promise<Response> {
  const stream = call.query.flag("stream", true);
  const oneShot = !call.before("1.41") && call.query.flag("one-shot");
  const samples = engine.containers.stats(call.name, { stream, oneShot, signal: call.signal });
  if (stream) return streaming(lines(samples), {});
  for await (const sample of samples) return json(sample);
  // Removed meanwhile: nothing is said of it.
  return empty(200);
}

async function* lines(samples: AsyncIterable<ContainerStats>): AsyncGenerator<Uint8Array> {
  for await (const sample of samples) yield Buffer.from(`${JSON.stringify(sample)}\n`);
}

function archivePath(call: Call): string {
  const path = call.query.text("path");
  if (path === "") throw new EngineError("invalid", "bad parameter: path cannot be empty");
  return path;
}

function statHeader(stat: PathStat): Record<string, string> {
  return { "x-docker-container-path-stat": Buffer.from(JSON.stringify(stat)).toString("base64") };
}

async function statPath(call: Call, engine: Engine): Promise<Response> {
  const stat = await engine.containers.statPath(call.name, archivePath(call), call.signal);
  return new Response(null, { headers: statHeader(stat) });
}

async function archive(call: Call, engine: Engine): Promise<Response> {
  const { stat, content } = await engine.containers.archive(call.name, archivePath(call), call.signal);
  return streaming(content, { ...statHeader(stat), "content-type": "application/x-tar" });
}

async function extract(call: Call, engine: Engine): Promise<Response> {
  const options = {
    noOverwriteDirNonDir: call.query.flag("noOverwriteDirNonDir"),
    copyUidGid: call.query.flag("copyUIDGID"),
    signal: call.signal,
  };
  await engine.containers.extract(call.name, archivePath(call), call.body, options);
  return empty(200);
}

async function exportAll(call: Call, engine: Engine): Promise<Response> {
  const content = await engine.containers.export(call.name, call.signal);
  return streaming(content, { "content-type": "application/octet-stream" });
}

async function attach(call: Call, engine: Engine): Promise<Response> {
  return streaming(outputOf(await openAttach(call, engine)), { "content-type": RAW_STREAM });
}

function attachByWebsocket(): never {
  throw new EngineError("notImplemented", "attaching through a websocket is not supported");
}

export const containerStreamRoutes: Route[] = [
  { method: "GET", path: "/containers/:name/logs", handler: logs },
  { method: "GET", path: "/containers/:name/stats", handler: stats },
  { method: "HEAD", path: "/containers/:name/archive", handler: statPath },
  { method: "GET", path: "/containers/:name/archive", handler: archive },
  { method: "PUT", path: "/containers/:name/archive", handler: extract },
  { method: "POST", path: "/containers/:name/attach", handler: attach },
  { method: "GET", path: "/containers/:name/attach/ws", handler: attachByWebsocket },
  { method: "GET", path: "/containers/:name/export", handler: exportAll },
];
