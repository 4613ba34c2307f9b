/** Learning how a container ended. */
import type { ApiClient } from "../../../engine/api/client.ts";
import { Failure } from "../failure.ts";
import { err } from "../output.ts";

interface Waited {
  StatusCode: number;
  Error?: { Message: string } | null;
}

/** Resolves when the daemon has begun to wait; `ended` when the container has. */
async function startWaiting(
  api: ApiClient,
  id: string,
  condition: string,
  headers: Record<string, string> = {},
): Promise<{ ended: Promise<Waited> }> {
  const answer = await api.request("POST", `/containers/${id}/wait`, { query: { condition }, headers });
  return { ended: answer.body.json() as Promise<Waited> };
}

/** For who started the container: what is not to be learnt is said, and is 125. */
export async function waitFor(
  api: ApiClient,
  id: string,
  condition: "next-exit" | "removed",
  headers?: Record<string, string>,
): Promise<{ status: Promise<number> }> {
  const { ended } = await startWaiting(api, id, condition, headers);
  const status = ended.then(
    ({ StatusCode, Error: error }) => {
      if (!error?.Message) return StatusCode;
      err(`Error waiting for container: ${error.Message}\n`);
      return 125;
    },
    (error: Error) => {
      err(`error waiting for container: ${error.message}\n`);
      return 125;
    },
  );
  return { status };
}

/** For who only looks on: the failure is the command's. */
export async function watchEnd(api: ApiClient, id: string): Promise<{ status: Promise<number> }> {
  const { ended } = await startWaiting(api, id, "not-running");
  const status = ended.then(({ StatusCode, Error: error }) => {
    if (error?.Message) throw new Failure(error.Message);
    return StatusCode;
  });
  // Whoever detaches does not ask for it any more.
  status.catch(() => {});
  return { status };
}
