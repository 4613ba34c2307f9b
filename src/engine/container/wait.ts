/** POST /containers/NAME/wait. */
import type { WaitCondition, WaitResult } from "../services.ts";
import type { Container } from "./container.ts";
import type { ContainerContext } from "./context.ts";
import { isRunning } from "./state.ts";

export function wait(
  ctx: ContainerContext,
  name: string,
  condition: WaitCondition,
  signal: AbortSignal,
): { result: Promise<WaitResult> } {
  const container = ctx.store.find(name);
  return { result: settled(container, condition, signal) };
}

async function settled(
  container: Container,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<WaitResult> {
  const { exits } = container;
  let failure = "";
  await container.until(() => {
    switch (condition) {
      case "not-running":
        return !isRunning(container.state);
      case "next-exit":
        return container.exits > exits || container.removed;
      case "removed":
        failure = container.removalError;
        return container.removed || (failure !== "" && !container.removing);
    }
  }, signal);
  const StatusCode = container.state.exitCode;
  return failure === "" || container.removed ? { StatusCode } : { StatusCode, Error: { Message: failure } };
}
