/** GET /exec/ID/json and POST /exec/ID/resize. */
import type { ExecInspect } from "../api/engine.ts";
import { EngineError } from "../errors.ts";
import type { ExecContext } from "./context.ts";
import { findActive } from "./start.ts";

const START_PATIENCE_MS = 10_000;

export function inspect(ctx: ExecContext, id: string): ExecInspect {
  const exec = ctx.execs.get(id);
  if (exec === undefined || ctx.store.byId(exec.container) === undefined) {
    throw new EngineError("notFound", `No such exec instance: ${id}`);
  }
  const [entrypoint = "", ...args] = exec.command;
  return {
    ID: id,
    Running: exec.running,
    ExitCode: exec.exitCode,
    ProcessConfig: {
      tty: exec.tty,
      entrypoint,
      arguments: args,
      privileged: exec.privileged,
      ...(exec.user !== "" && { user: exec.user }),
    },
    OpenStdin: exec.stdin,
    OpenStderr: exec.stderr,
    OpenStdout: exec.stdout,
    CanRemove: false,
    ContainerID: exec.container,
    DetachKeys: exec.detachKeys,
    Pid: exec.pid,
  };
}

/** A terminal's size is sent while the start is still under way. */
async function begun(ctx: ExecContext, id: string): Promise<void> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => timeout.reject(new EngineError("internal", "timeout waiting for exec session ready")),
    START_PATIENCE_MS,
  );
  try {
    await Promise.race([ctx.execs.begun(id), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

export async function resize(
  ctx: ExecContext,
  id: string,
  { cols, rows }: { cols: number; rows: number },
): Promise<void> {
  const { exec } = findActive(ctx, id);
  if (exec.pid === 0 && exec.exitCode === null) await begun(ctx, id);
  if (exec.pid === 0) throw new EngineError("invalid", "exec process is not started");
  await ctx.shim.resize(id, cols, rows);
}
