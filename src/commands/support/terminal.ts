/** The terminal's size, and telling the daemon when it changes. */
import { WriteStream } from "node:tty";
import type { ApiClient } from "../../engine/api/client.ts";
import { isatty } from "./builtin.ts";

/** Rows and columns; undefined when standard output is no terminal. */
export function terminalSize(): [number, number] | undefined {
  if (!isatty(1)) return undefined;
  const [columns, rows] = new WriteStream(1).getWindowSize();
  return columns > 0 && rows > 0 ? [rows, columns] : undefined;
}

/** Keeps the size of the container's terminal that of this one. Returns what stops that. */
export function followSize(client: ApiClient, path: string): () => void {
  const tell = (): void => {
    const size = terminalSize();
    if (!size) return;
    // Too early, or too late: the next change tells again.
    client.send("POST", `${path}/resize`, { query: { h: size[0], w: size[1] } }).catch(() => {});
  };
  tell();
  process.on("SIGWINCH", tell);
  return () => process.off("SIGWINCH", tell);
}
