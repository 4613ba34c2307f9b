/** POST /containers/NAME/stop and /restart. */
import { EngineError } from "../errors.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit } from "./context.ts";
import { endsWithin, killAndWait, sendSignal } from "./kill.ts";
import { parseSignal, SIGTERM } from "./signals.ts";
import { startContainer } from "./start.ts";
import { isRunning } from "./state.ts";

export interface StopOptions {
  signal?: string;
  /** Seconds; negative: wait for ever. */
  timeout?: number;
}

export async function stop(ctx: ContainerContext, name: string, options: StopOptions): Promise<void> {
  const container = ctx.store.find(name);
  if (!isRunning(container.state)) throw new EngineError("notModified", "container is already stopped");
  try {
    await stopContainer(ctx, container, options);
  } catch (error) {
    const kind = error instanceof EngineError && error.kind === "invalid" ? "invalid" : "internal";
    throw new EngineError(kind, `cannot stop container: ${name}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

export async function stopContainer(
  ctx: ContainerContext,
  container: Container,
  options: StopOptions,
): Promise<void> {
  if (!isRunning(container.state)) return;
  const { StopSignal, StopTimeout } = container.record.config;
  const signal = options.signal
    ? parseSignal(options.signal)
    : StopSignal
      ? parseSignal(StopSignal)
      : SIGTERM;
  const timeout = options.timeout ?? StopTimeout ?? ctx.stopTimeout;
  let patience = timeout < 0 ? -1 : timeout * 1000;
  try {
    await sendSignal(ctx, container, signal);
  } catch {
    // It may be ending by itself; if not, SIGKILL below tells why it cannot be signalled.
    patience = 2000;
  }
  if (!(await endsWithin(container, patience))) await killAndWait(ctx, container);
  emit(ctx, container, "stop");
}

export async function restart(ctx: ContainerContext, name: string, options: StopOptions): Promise<void> {
  const container = ctx.store.find(name);
  container.restarting = true;
  try {
    await stopContainer(ctx, container, options);
    await startContainer(ctx, container).catch((error) => {
      // Another request started it in between: it runs afresh, as was asked for.
      if (!(error instanceof EngineError && error.kind === "notModified")) throw error;
    });
    emit(ctx, container, "restart");
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : "internal";
    throw new EngineError(kind, `Cannot restart container ${name}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    container.restarting = false;
  }
}
