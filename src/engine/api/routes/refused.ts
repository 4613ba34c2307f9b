/** Calls that exist in the API and not here: each says so, and what asks for a swarm hears that there is none. */
import { EngineError } from "../../errors.ts";
import { type Call, json, type Route } from "../call.ts";

const NO_SWARM =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

const noSwarm = (): never => {
  throw new EngineError("unavailable", NO_SWARM);
};

const noPlugin = ({ name }: Call): never => {
  throw new EngineError("notFound", `plugin ${JSON.stringify(name)} not found`);
};

const notYet = (what: string) => (): never => {
  throw new EngineError("notImplemented", `${what} is not supported yet`);
};

const SWARM = ["nodes", "services", "tasks", "secrets", "configs"];

export const refusedRoutes: Route[] = [
  { method: "GET", path: "/swarm", handler: noSwarm },
  ...SWARM.flatMap((noun): Route[] => [
    { method: "GET", path: `/${noun}`, handler: noSwarm },
    { method: "GET", path: `/${noun}/:name`, handler: noSwarm },
    { method: "POST", path: `/${noun}/create`, handler: noSwarm },
    { method: "POST", path: `/${noun}/:name/update`, handler: noSwarm },
    { method: "GET", path: `/${noun}/:name/logs`, handler: noSwarm },
    { method: "DELETE", path: `/${noun}/:name`, handler: noSwarm },
  ]),
  { method: "GET", path: "/swarm/unlockkey", handler: noSwarm },
  { method: "POST", path: "/swarm/unlock", handler: noSwarm },
  { method: "POST", path: "/swarm/update", handler: noSwarm },
  { method: "PUT", path: "/volumes/:name", handler: noSwarm },
  { method: "POST", path: "/swarm/init", handler: notYet("swarm mode") },
  { method: "POST", path: "/swarm/join", handler: notYet("swarm mode") },
  {
    method: "POST",
    path: "/swarm/leave",
    handler: () => {
      throw new EngineError("unavailable", "This node is not part of a swarm");
    },
  },
  { method: "GET", path: "/plugins", handler: () => json([]) },
  { method: "POST", path: "/plugins/pull", handler: notYet("installing plugins") },
  { method: "GET", path: "/plugins/privileges", handler: notYet("installing plugins") },
  { method: "POST", path: "/plugins/create", handler: notYet("creating plugins") },
  { method: "GET", path: "/plugins/:name/json", handler: noPlugin },
  { method: "DELETE", path: "/plugins/:name", handler: noPlugin },
  ...["enable", "disable", "push", "set", "upgrade"].map(
    (verb): Route => ({ method: "POST", path: `/plugins/:name/${verb}`, handler: noPlugin }),
  ),
  { method: "GET", path: "/containers/:name/checkpoints", handler: notYet("checkpointing containers") },
  { method: "POST", path: "/containers/:name/checkpoints", handler: notYet("checkpointing containers") },
  {
    method: "DELETE",
    path: "/containers/:name/checkpoints/:checkpoint",
    handler: notYet("checkpointing containers"),
  },
  { method: "POST", path: "/session", handler: notYet("building images") },
  { method: "POST", path: "/grpc", handler: notYet("building images") },
  { method: "POST", path: "/build", handler: notYet("building images") },
  { method: "POST", path: "/build/prune", handler: () => json({ CachesDeleted: null, SpaceReclaimed: 0 }) },
  { method: "POST", path: "/commit", handler: notYet("committing containers") },
  { method: "GET", path: "/images/search", handler: notYet("searching for images") },
  { method: "GET", path: "/images/:name/attestations", handler: notYet("reading attestations") },
  { method: "GET", path: "/distribution/:name/json", handler: notYet("asking registries for descriptors") },
];
