/** Calls of Docker's API that are not built: each says so, where "page not found" would send one looking for a mistake. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Daemon } from "../support/daemon.ts";

let daemon: Daemon;
beforeAll(async () => {
  daemon = await new Daemon().start();
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

test.each([
  ["GET", "/containers/c1/checkpoints", 501, "checkpointing containers is not supported yet"],
  ["POST", "/containers/c1/checkpoints", 501, "checkpointing containers is not supported yet"],
  ["DELETE", "/containers/c1/checkpoints/x", 501, "checkpointing containers is not supported yet"],
  ["POST", "/session", 501, "building images is not supported yet"],
  ["POST", "/grpc", 501, "building images is not supported yet"],
  ["POST", "/commit", 501, "committing containers is not supported yet"],
  ["GET", "/plugins/privileges", 501, "installing plugins is not supported yet"],
  ["GET", "/plugins/nosuch/json", 404, 'plugin "nosuch" not found'],
  ["POST", "/plugins/nosuch/enable", 404, 'plugin "nosuch" not found'],
  ["DELETE", "/plugins/nosuch", 404, 'plugin "nosuch" not found'],
  ["PUT", "/volumes/x", 503, "This node is not a swarm manager."],
  ["GET", "/swarm/unlockkey", 503, "This node is not a swarm manager."],
  ["GET", "/services/x/logs", 503, "This node is not a swarm manager."],
  ["POST", "/nodes/x/update", 503, "This node is not a swarm manager."],
])("%s %s: %d", async (method, path, status, reason) => {
  const response = await daemon.request(`/v1.50${path}`, { method });
  const { message } = (await response.json()) as { message: string };
  expect({ status: response.status, message }).toEqual({ status, message: expect.stringContaining(reason) });
});
