/** The networks that there are without a network service: `none` and `host`. */
import { EngineError } from "../../errors.ts";
import type { Engine } from "../../services.ts";
import { type Call, json, type Route } from "../call.ts";
import { networkCreateRequest } from "../json/requests.ts";

const list = (call: Call, engine: Engine) => json(engine.networks.list(call.query.filters()));
const inspect = (call: Call, engine: Engine) => json(engine.networks.inspect(call.name));

async function create(call: Call): Promise<Response> {
  const { Name } = await call.json<{ Name?: string }>(networkCreateRequest);
  if (!Name) throw new EngineError("invalid", "invalid name: name is empty");
  throw new EngineError("notImplemented", "creating networks is not supported yet");
}

function change(call: Call, engine: Engine): never {
  const { Name } = engine.networks.inspect(call.name) as { Name: string };
  throw new EngineError("forbidden", `${Name} is a pre-defined network and cannot be removed`);
}

function connect(call: Call, engine: Engine): never {
  engine.networks.inspect(call.name);
  throw new EngineError("notImplemented", "connecting containers to networks is not supported yet");
}

/** Predefined networks are never pruned. */
const prune = () => json({ NetworksDeleted: null });

export const networkRoutes: Route[] = [
  { method: "GET", path: "/networks", handler: list },
  { method: "GET", path: "/networks/:name", handler: inspect },
  { method: "POST", path: "/networks/create", handler: create },
  { method: "POST", path: "/networks/prune", handler: prune },
  { method: "POST", path: "/networks/:name/connect", handler: connect },
  { method: "POST", path: "/networks/:name/disconnect", handler: connect },
  { method: "DELETE", path: "/networks/:name", handler: change },
];
