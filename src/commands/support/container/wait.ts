/** Learning how a container ended. */
import type { ApiClient } from "../../../engine/api/client.ts";
import { err } from "../output.ts";

/** Resolves when the daemon has begun to wait; `status` when the container has ended. */
export async function waitFor(
  api: ApiClient,
  id: string,
  condition: "next-exit" | "removed" | "not-running",
  headers: Record<string, string> = {},
): Promise<{ status: Promise<number> }> {
  const answer = await api.request("POST", `/containers/${id}/wait`, { query: { condition }, headers });
  const status = answer.body.json().then(
    (value) => {
      const { StatusCode, Error: error } = value as {
        StatusCode: number;
        Error?: { Message: string } | null;
      };
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
