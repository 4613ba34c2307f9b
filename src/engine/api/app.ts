/** The router: Elysia matches method and path, and hands every request to one place that answers it. */
import type { Duplex } from "node:stream";
import { Elysia } from "elysia";
import { DecodedJson } from "../json/decode.ts";
import type { Engine } from "../services.ts";
import { Call, type Route } from "./call.ts";
import { errorResponse, statusOf } from "./errors.ts";
import { createRequest } from "./json/requests.ts";
import { Orders } from "./order.ts";
import { Query } from "./query.ts";
import { containerStreamRoutes } from "./routes/container-streams.ts";
import { containerRoutes } from "./routes/containers.ts";
import { execRoutes } from "./routes/execs.ts";
import { imageStreamRoutes } from "./routes/image-streams.ts";
import { imageRoutes } from "./routes/images.ts";
import { networkRoutes } from "./routes/networks.ts";
import { pingRoutes } from "./routes/ping.ts";
import { refusedRoutes } from "./routes/refused.ts";
import { systemRoutes } from "./routes/system.ts";
import { volumeRoutes } from "./routes/volumes.ts";
import type { Api } from "./server.ts";
import { upgradeAttach, upgradeExec } from "./upgrade.ts";
import { checkVersion } from "./version.ts";

const ROUTES: Route[] = [
  ...pingRoutes,
  ...systemRoutes,
  ...containerRoutes,
  ...containerStreamRoutes,
  ...execRoutes,
  ...imageRoutes,
  ...imageStreamRoutes,
  ...networkRoutes,
  ...volumeRoutes,
  ...refusedRoutes,
];

/** Told of every failure that is the daemon's own fault, and of all of them when debugging. */
export type FailureLog = (failure: { method: string; path: string; status: number; error: unknown }) => void;

export function createApi(engine: Engine, log: FailureLog): Api {
  const app = new Elysia({ strictPath: true, normalize: false });
  const orders = new Orders();
  const creates = new DecodedJson(createRequest);
  for (const route of ROUTES) {
    // Elysia answers HEAD by the route for GET, and drops the body.
    if (route.method === "HEAD") continue;
    const head = ROUTES.find(({ method, path }) => method === "HEAD" && path === route.path);
    app.route(
      route.method,
      `/:version${route.path}`,
      ({ request, params }) =>
        answer({
          route: request.method === "HEAD" ? (head ?? route) : route,
          ...{ engine, orders, creates, request, params, log },
        }),
      {
        // Bodies are streams that only their route may read.
        parse: "none",
      },
    );
  }
  app.onError(({ code, error }) => (code === "NOT_FOUND" ? notFound() : errorResponse(error)));
  return {
    handle: async (request) => app.handle(request),
    upgrade: (request, socket) => upgrade(engine, orders, request, socket, log),
    failed: (error, request) => {
      const { method = "a", url } = request ?? {};
      log({ method, path: url ? new URL(url).pathname : "request", status: 500, error });
    },
  };
}

interface Asked {
  route: Route;
  engine: Engine;
  orders: Orders;
  creates: DecodedJson;
  request: Request;
  params: Record<string, string>;
  log: FailureLog;
}

async function answer({ route, engine, orders, creates, request, params, log }: Asked): Promise<Response> {
  const version = (params.version ?? "").slice(1);
  if (!/^[0-9.]+$/.test(version)) return notFound();
  const url = new URL(request.url);
  try {
    checkVersion(version);
    const call = new Call(request, version, params, new Query(url.searchParams), creates);
    return await orders.keep(call.headers, call.signal, async (begun) => {
      const response = await route.handler(call, engine);
      begun();
      return response;
    });
  } catch (error) {
    // Whoever asked has gone, in the midst of an upload, say: nobody's fault, and nobody reads the answer.
    if (!request.signal.aborted) {
      log({ method: request.method, path: url.pathname, status: statusOf(error), error });
    }
    return errorResponse(error, version);
  }
}

const notFound = () =>
  new Response(`${JSON.stringify({ message: "page not found" })}\n`, {
    status: 404,
    headers: { "content-type": "application/json" },
  });

const ATTACH = /^\/v([0-9.]+)\/containers\/([^/]+)\/attach$/;
const EXEC = /^\/v([0-9.]+)\/exec\/([^/]+)\/start$/;

function upgrade(engine: Engine, orders: Orders, request: Request, socket: Duplex, log: FailureLog): boolean {
  const url = new URL(request.url);
  const attach = ATTACH.exec(url.pathname);
  const matched = attach ?? EXEC.exec(url.pathname);
  if (!matched || request.method !== "POST") return false;
  const [, version, name] = matched as unknown as [string, string, string];
  try {
    checkVersion(version);
  } catch {
    return false;
  }
  const call = new Call(
    request,
    version,
    { version: `v${version}`, name: decodeURIComponent(name) },
    new Query(url.searchParams),
  );
  const run = attach
    ? orders.keep(call.headers, call.signal, (begun) => upgradeAttach(call, engine, socket, begun))
    : upgradeExec(call, engine, socket);
  run.catch((error: unknown) => {
    log({ method: "POST", path: url.pathname, status: 500, error });
    socket.destroy();
  });
  return true;
}
