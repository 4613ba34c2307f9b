/** GET /containers/NAME/logs. */
import { EngineError } from "../errors.ts";
import { readLog } from "../log/reader.ts";
import type { ByteStream, LogOptions } from "../services.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, filesOf } from "./context.ts";
import { isRunning } from "./state.ts";

export function logs(
  ctx: ContainerContext,
  name: string,
  options: LogOptions,
): { tty: boolean; content: ByteStream } {
  const container = ctx.store.find(name);
  if (container.removing || container.state.status === "dead") {
    throw new EngineError("conflict", "can not get logs from container which is dead or marked for removal");
  }
  return { tty: container.record.config.Tty, content: logOf(ctx, container, options) };
}

/** @throws EngineError notImplemented when it keeps no log that could be read */
export function logOf(ctx: ContainerContext, container: Container, options: LogOptions): ByteStream {
  const { hostConfig, config } = container.record;
  if (hostConfig.LogConfig.Type !== "json-file") {
    throw new EngineError("notImplemented", "configured logging driver does not support reading");
  }
  const { exits } = container;
  const ended = container.until(() => !isRunning(container.state) || container.exits > exits, options.signal);
  const follow = options.follow ? { ended } : undefined;
  // Aborted: nobody waits for the end any more.
  ended.catch(() => {});
  return readLog(filesOf(ctx, container.id).log, {
    stdout: options.stdout,
    stderr: options.stderr,
    tail: options.tail,
    since: options.since,
    until: options.until,
    timestamps: options.timestamps,
    details: options.details,
    tty: config.Tty,
    follow,
    signal: options.signal,
  });
}
