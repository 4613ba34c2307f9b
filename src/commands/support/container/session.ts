/** This terminal's end of an attach to a container's own process: its streams until they end, then its status. */
import type { Upgraded } from "../../../engine/api/client.ts";
import { rawFor, type StreamOptions, stream } from "../stream.ts";

export interface Session extends Pick<StreamOptions, "tty" | "stdin" | "detachKeys"> {
  /** Done as soon as the streams flow. */
  begin: () => Promise<void>;
  status: Promise<number>;
  /** Ends the forwarding of signals. */
  forwarding: (() => void) | undefined;
}

/** "detached": the user left, and the process goes on. */
export async function converse(
  connection: Upgraded,
  { tty, stdin, detachKeys, begin, status, forwarding }: Session,
): Promise<number | "detached"> {
  const streaming = stream(connection, {
    ...(await rawFor({ tty, stdin })),
    ...{ tty, stdin, detachKeys },
    stdout: true,
    stderr: true,
  });
  try {
    await begin();
    return (await streaming.ended) === "detached" ? "detached" : await status;
  } finally {
    streaming.restore();
    forwarding?.();
  }
}
