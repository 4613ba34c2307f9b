/** `/_ping`: what every client asks first, to learn the version and the kind of server. */
import type { Call, Route } from "../call.ts";

const HEADERS = {
  "Cache-Control": "no-cache, no-store, must-revalidate",
  Pragma: "no-cache",
  Swarm: "inactive",
  "Content-Type": "text/plain; charset=utf-8",
};

const ping = (_: Call) => new Response("OK", { headers: HEADERS });
const headPing = () => new Response(null, { headers: { ...HEADERS, "Content-Length": "0" } });

export const pingRoutes: Route[] = [
  { method: "GET", path: "/_ping", handler: ping },
  { method: "HEAD", path: "/_ping", handler: headPing },
];
