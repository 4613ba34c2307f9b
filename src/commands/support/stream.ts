/** Connects this terminal, or these pipes, with a container's or an exec's raw stream. */
import type { Upgraded } from "../../engine/api/client.ts";
import { DetachScanner, parseDetachKeys } from "../../engine/detach-keys.ts";
import { fs, isatty } from "./builtin.ts";
import { Failure, messageOf } from "./failure.ts";
import { FrameWriter } from "./frames.ts";
import { writeAll } from "./output.ts";

export interface StreamOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys: string;
  /** Makes a terminal raw; given when standard input is one that should be. */
  readonly raw?: (fd: number) => () => void;
}

export interface Streaming {
  /** Ends with the container's output, or with the user's leaving. */
  readonly ended: Promise<"ended" | "detached">;
  /** Puts the terminal back; may be called again. */
  restore(): void;
}

/** Loaded only where there is a terminal: it brings the foreign function interface with it. */
export async function rawFor(options: { tty: boolean; stdin: boolean }): Promise<Pick<StreamOptions, "raw">> {
  if (!options.tty || !options.stdin || !isatty(0)) return {};
  return { raw: (await import("../../ffi/terminal.ts")).makeRaw };
}

const ENDING = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Ended by a signal that is not handed on, the program must not leave a raw terminal behind. */
function restoreOnSignals(restore: () => void): () => void {
  const handlers = (Object.keys(ENDING) as (keyof typeof ENDING)[]).map((name) => {
    const handler = (): void => {
      if (process.listenerCount(name) > 1) return;
      restore();
      process.exit(128 + ENDING[name]);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}

function keysOf(text: string): Uint8Array {
  try {
    return parseDetachKeys(text);
  } catch (error) {
    throw new Failure(`invalid detach keys (${text}): ${messageOf(error)}`);
  }
}

export function stream(connection: Upgraded, options: StreamOptions): Streaming {
  const detached = Promise.withResolvers<"detached">();
  const scanner = options.tty && options.stdin ? new DetachScanner(keysOf(options.detachKeys)) : undefined;
  let restore = (): void => {};
  if (options.stdin) {
    const input = options.raw
      ? new (process.getBuiltinModule("node:tty").ReadStream)(0)
      : fs().createReadStream("", { fd: 0, autoClose: false });
    if (options.raw) {
      const undo = options.raw(0);
      const unwatch = restoreOnSignals(() => restore());
      restore = () => {
        restore = () => {};
        unwatch();
        undo();
      };
    }
    input.on("data", (chunk) => {
      const bytes = chunk as Uint8Array;
      const { pass, detached: leave } = scanner ? scanner.scan(bytes) : { pass: bytes, detached: false };
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
