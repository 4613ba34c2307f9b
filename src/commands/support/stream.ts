/** Connects this terminal, or these pipes, with a container's or an exec's raw stream. */
import { createReadStream } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import type { Upgraded } from "../../engine/api/client.ts";
import { DetachWatch, parseDetachKeys } from "./detach-keys.ts";
import { FrameWriter } from "./frames.ts";
import { writeAll } from "./output.ts";

export interface StreamOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys: string;
}

export interface Streaming {
  /** Ends with the container's output, or with the user's leaving. */
  readonly ended: Promise<"ended" | "detached">;
  /** Puts the terminal back; may be called again. */
  restore(): void;
}

export function stream(connection: Upgraded, options: StreamOptions): Streaming {
  const detached = Promise.withResolvers<"detached">();
  const raw = options.stdin && options.tty && isatty(0);
  const watch =
    options.tty && options.stdin ? new DetachWatch(parseDetachKeys(options.detachKeys)) : undefined;
  let restore = (): void => {};
  if (options.stdin) {
    const input = raw ? new ReadStream(0) : createReadStream("", { fd: 0, autoClose: false });
    if (raw) {
      (input as ReadStream).setRawMode(true);
      restore = () => {
        restore = () => {};
        (input as ReadStream).setRawMode(false);
      };
    }
    input.on("data", (chunk) => {
      const bytes = chunk as Uint8Array;
      const { pass, detached: leave } = watch ? watch.push(bytes) : { pass: bytes, detached: false };
      if (pass.length > 0) {
        input.pause();
        connection.write(pass).then(() => input.resume());
      }
      if (leave) detached.resolve("detached");
    });
    input.on("end", () => connection.closeWrite());
    // A closed or write-only standard input is one that has ended.
    input.on("error", () => connection.closeWrite());
  }
  const frames = new FrameWriter(options.stdout, options.stderr);
  const multiplexed = !options.tty;
  const output = connection.output.each((bytes) => {
    if (multiplexed) frames.push(bytes);
    else if (options.stdout) writeAll(1, bytes);
  });
  const ended = Promise.race([output.then(() => "ended" as const), detached.promise]).finally(() =>
    restore(),
  );
  return { ended, restore: () => restore() };
}
