/** Further processes in a running container. */
import { EngineError } from "../../errors.ts";
import type { Engine, ExecCreateBody } from "../../services.ts";
import { openExec, outputOf, RAW_STREAM, readExecStart } from "../attach.ts";
import { type Call, empty, json, type Route, streaming } from "../call.ts";
import { execCreateRequest } from "../json/requests.ts";

async function create(call: Call, engine: Engine): Promise<Response> {
  const body = await call.json<ExecCreateBody>(execCreateRequest);
  if (!body.Cmd?.length) throw new EngineError("invalid", "No exec command specified");
  if (call.before("1.42")) delete body.ConsoleSize;
  const { Id } = await engine.execs.create(call.name, body);
  return json({ Id }, 201);
}

/** For clients without an upgrade; the others are in `upgrade.ts`. */
async function start(call: Call, engine: Engine): Promise<Response> {
  const options = await readExecStart(call, engine);
  if (options.detach) {
    await engine.execs.start(call.name, { detach: true });
    return empty(200);
  }
  return streaming(outputOf(await openExec(call, engine, options)), { "content-type": RAW_STREAM });
}

async function resize(call: Call, engine: Engine): Promise<Response> {
  const rows = call.query.cells("h");
  const cols = call.query.cells("w");
  await engine.execs.resize(call.name, { cols, rows });
  return empty(200);
}

async function inspect(call: Call, engine: Engine): Promise<Response> {
  return json(await engine.execs.inspect(call.name));
}

export const execRoutes: Route[] = [
  { method: "POST", path: "/containers/:name/exec", handler: create },
  { method: "POST", path: "/exec/:name/start", handler: start },
  { method: "POST", path: "/exec/:name/resize", handler: resize },
  { method: "GET", path: "/exec/:name/json", handler: inspect },
];
