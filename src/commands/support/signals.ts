/** Hands signals that this program gets on to the container. */
import type { ApiClient } from "../../engine/api/client.ts";

// SIGUSR1 belongs to the JavaScript engine's garbage collector; the rest cannot be caught, or mean this process.
const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR2", "SIGALRM", "SIGTERM", "SIGCONT"] as const;

export function forwardSignals(client: ApiClient, id: string): () => void {
  const handlers = FORWARDED.map((name) => {
    const handler = (): void => {
      client.send("POST", `/containers/${id}/kill`, { query: { signal: name.slice(3) } }).catch(() => {});
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}
