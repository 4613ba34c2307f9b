/** Networks: create, list, inspect, connect, disconnect, remove, prune. */
import type { EndpointConfig } from "../../container/config.ts";
import { EngineError } from "../../errors.ts";
import type { CreateNetworkRequest } from "../../network/create.ts";
import type { Engine } from "../../services.ts";
import { parseGoBool } from "../../strconv.ts";
import { type Call, empty, json, type Route } from "../call.ts";
import { networkConnectRequest, networkCreateRequest, networkDisconnectRequest } from "../json/requests.ts";

const list = (call: Call, engine: Engine) => json(engine.networks.list(call.query.filters()));

function inspect(call: Call, engine: Engine): Response {
  const verbose = call.query.text("verbose");
  try {
    if (verbose !== "") parseGoBool(verbose);
  } catch (error) {
    throw new EngineError("invalid", `invalid value for verbose: ${verbose}: ${(error as Error).message}`);
  }
  const network: Record<string, unknown> = {
    ...engine.networks.inspect(call.name, call.query.text("scope")),
  };
  // How many addresses are left came with 1.52.
  if (call.before("1.52")) delete network.Status;
  return json(network);
}

async function create(call: Call, engine: Engine): Promise<Response> {
  const request = await call.json<CreateNetworkRequest>(networkCreateRequest);
  if (call.before("1.48")) delete request.EnableIPv4;
  const { Id } = await engine.networks.create(request);
  return json({ Id, Warning: "" }, 201);
}

async function remove(call: Call, engine: Engine): Promise<Response> {
  await engine.networks.remove(call.name);
  return empty(204);
}

async function connect(call: Call, engine: Engine): Promise<Response> {
  const { Container, EndpointConfig } = await call.json<{
    Container?: string | null;
    EndpointConfig?: EndpointConfig | null;
  }>(networkConnectRequest, { required: true });
  if (call.before("1.54")) delete EndpointConfig?.MacAddress;
  await engine.containers.connectNetwork(Container ?? "", call.name, EndpointConfig);
  return empty(200);
}

async function disconnect(call: Call, engine: Engine): Promise<Response> {
  const { Container, Force } = await call.json<{ Container?: string | null; Force?: boolean | null }>(
    networkDisconnectRequest,
    { required: true },
  );
  await engine.containers.disconnectNetwork(Container ?? "", call.name, Force ?? false);
  return empty(200);
}

const prune = async (call: Call, engine: Engine) => json(await engine.networks.prune(call.query.filters()));

export const networkRoutes: Route[] = [
  { method: "GET", path: "/networks", handler: list },
  { method: "GET", path: "/networks/:name", handler: inspect },
  { method: "POST", path: "/networks/create", handler: create },
  { method: "POST", path: "/networks/prune", handler: prune },
  { method: "POST", path: "/networks/:name/connect", handler: connect },
  { method: "POST", path: "/networks/:name/disconnect", handler: disconnect },
  { method: "DELETE", path: "/networks/:name", handler: remove },
];
