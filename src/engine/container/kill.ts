/** POST /containers/NAME/kill, and what stop and rm -f do with signals. */
import { EngineError } from "../errors.ts";
import type { Container } from "./container.ts";
import { type ContainerContext, emit, requireRunning } from "./context.ts";
import { knownSignal, parseSignal, SIGKILL } from "./signals.ts";
import { isRunning } from "./state.ts";

const KILL_PATIENCE_MS = 10_000;

export async function kill(ctx: ContainerContext, name: string, word: string): Promise<void> {
  const signal = word === "" ? SIGKILL : parseSignal(word);
  if (!knownSignal(signal))
    throw new EngineError("invalid", `the linux daemon does not support signal ${signal}`);
  const container = ctx.store.find(name);
  requireRunning(container);
  if (signal === SIGKILL) await killAndWait(ctx, container);
  else await sendSignal(ctx, container, signal);
}

/** Whether the signal is meant to end it, so that a frozen container must be thawed to see it. */
function ends(container: Container, signal: number): boolean {
  const { StopSignal } = container.record.config;
  return signal === SIGKILL || !StopSignal || parseSignal(StopSignal) === signal;
}

/** @throws EngineError conflict when it does not run */
export async function sendSignal(ctx: ContainerContext, container: Container, signal: number): Promise<void> {
  await container.exclusive(async () => {
    requireRunning(container);
    // Without a pid namespace of its own, the end of its first process would leave the others.
    const all = signal === SIGKILL && container.record.hostConfig.PidMode !== "";
    try {
      await ctx.shim.signal(container.id, signal, all);
    } catch (error) {
      // It is ending, and the news of that are under way.
      if (!(error instanceof EngineError) || error.kind !== "notFound") {
        throw new EngineError(
          "internal",
          `Cannot kill container ${container.id}: ${(error as Error).message}`,
          { cause: error },
        );
      }
    }
    if (container.state.status === "paused" && ends(container, signal)) {
      await ctx.shim
        .unpause(container.id)
        .catch((error: Error) => ctx.warn(`thawing ${container.id}: ${error.message}`));
      ctx.store.setState(container, { status: "running" });
      emit(ctx, container, "unpause");
    }
    // While its end, which may be here already, waits for the lock.
    emit(ctx, container, "kill", { signal: String(signal) });
  });
}

/** Resolves to true when the container ended in time; negative is for ever. */
export function endsWithin(container: Container, ms: number): Promise<boolean> {
  return happensWithin(container, ms, () => !isRunning(container.state));
}

async function happensWithin(container: Container, ms: number, condition: () => boolean): Promise<boolean> {
  const ended = container.until(condition);
  if (ms < 0) return ended.then(() => true);
  const timeout = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => timeout.resolve(false), ms);
  try {
    return await Promise.race([ended.then(() => true), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** SIGKILL, and the end of it. */
export async function killAndWait(ctx: ContainerContext, container: Container): Promise<void> {
  const deadline = performance.now() + KILL_PATIENCE_MS;
  const isPaused = (): boolean => container.state.status === "paused";
  do {
    try {
      await sendSignal(ctx, container, SIGKILL);
    } catch (error) {
      if (!isRunning(container.state)) return;
      throw error;
    }
    // One that is paused meanwhile, by who waited for this, is frozen and does not die.
    await happensWithin(
      container,
      Math.max(0, deadline - performance.now()),
      () => isPaused() || !isRunning(container.state),
    );
    if (!isRunning(container.state)) return;
  } while (isPaused() && performance.now() < deadline);
  throw new EngineError("internal", "tried to kill container, but did not receive an exit event");
}
