/** Volumes: so far the anonymous ones that containers bring with them. */
import { EngineError } from "../../errors.ts";
import type { Engine } from "../../services.ts";
import { type Call, empty, json, type Route } from "../call.ts";
import { volumeCreateRequest } from "../json/requests.ts";

const list = (call: Call, engine: Engine) =>
  json({ Volumes: engine.volumes.list(call.query.filters()), Warnings: null });
const inspect = (call: Call, engine: Engine) => json(engine.volumes.inspect(call.name));

async function create(call: Call): Promise<Response> {
  await call.json(volumeCreateRequest);
  throw new EngineError("notImplemented", "creating volumes is not supported yet");
}

async function remove(call: Call, engine: Engine): Promise<Response> {
  await engine.volumes.remove(call.name, { force: call.query.flag("force") });
  return empty(204);
}

async function prune(call: Call, engine: Engine): Promise<Response> {
  return json(await engine.volumes.prune(call.query.filters()));
}

export const volumeRoutes: Route[] = [
  { method: "GET", path: "/volumes", handler: list },
  { method: "GET", path: "/volumes/:name", handler: inspect },
  { method: "POST", path: "/volumes/create", handler: create },
  { method: "POST", path: "/volumes/prune", handler: prune },
  { method: "DELETE", path: "/volumes/:name", handler: remove },
];
