/** Hands signals that this program gets on to the container. */
import type { ApiClient } from "../../engine/api/client.ts";
import { err } from "./output.ts";

// All but those that mean this process (faults, CHLD, PIPE, URG), that cannot be caught, or that belong to the
// JavaScript engine (PWR); there are no names for the real-time ones here.
const FORWARDED = (
  "SIGHUP SIGINT SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGTERM SIGCONT SIGTSTP SIGTTIN SIGTTOU SIGXCPU SIGXFSZ " +
  "SIGVTALRM SIGPROF SIGWINCH SIGIO"
).split(" ") as NodeJS.Signals[];

/** So many requests to end are meant for this program, whatever the container makes of them. */
const ENOUGH = 3;

export function forwardSignals(client: ApiClient, id: string): () => void {
  let asked = 0;
  const handlers: [NodeJS.Signals, () => void][] = [];
  for (const name of FORWARDED) {
    const handler = (): void => {
      if ((name === "SIGINT" || name === "SIGTERM") && ++asked === ENOUGH) {
        err("\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n");
        process.exit(1);
      }
      client.send("POST", `/containers/${id}/kill`, { query: { signal: name.slice(3) } }).catch(() => {});
    };
    process.on(name, handler);
    handlers.push([name, handler]);
  }
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}
